from __future__ import annotations


class ExternalShutdownException(Exception):
    pass

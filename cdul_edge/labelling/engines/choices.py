"""What may be chosen for the making of parts; nothing is imported for it."""

from __future__ import annotations

from typing import Literal

EngineName = Literal["local", "ray"]

"""A bundle against what PyTorch said, pass or fail.

    from cdul_edge_runtime.verify import VerifyRequest, verify

The names are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdul_edge_runtime.verify.request import VerifyRequest
    from cdul_edge_runtime.verify.verification import VerifyReport, verify

__all__ = ["VerifyReport", "VerifyRequest", "verify"]

_HOMES = {"VerifyReport": "verification", "VerifyRequest": "request", "verify": "verification"}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

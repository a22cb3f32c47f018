"""A bundle against what PyTorch said, pass or fail.

    from cdul_edge_runtime.verify import VerifyRequest, verify

The names are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdul_edge_runtime.host.lazy_names import lazy_names

if TYPE_CHECKING:
    from cdul_edge_runtime.verify.request import VerifyRequest
    from cdul_edge_runtime.verify.verification import VerifyReport, verify

__all__ = ["VerifyReport", "VerifyRequest", "verify"]

_HOMES = {"VerifyReport": "verification", "VerifyRequest": "request", "verify": "verification"}

__getattr__ = lazy_names(__name__, _HOMES)

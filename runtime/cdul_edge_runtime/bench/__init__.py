"""How fast a bundle is on this machine.

    from cdul_edge_runtime.bench import BenchRequest, bench

The names are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdul_edge_runtime.bench.benchmark import BenchReport, BenchRequest, bench

__all__ = ["BenchReport", "BenchRequest", "bench"]


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module(f"{__name__}.benchmark"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

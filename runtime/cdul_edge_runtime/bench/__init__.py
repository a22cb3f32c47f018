"""How fast a bundle is on this machine.

    from cdul_edge_runtime.bench import BenchRequest, bench

The names are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdul_edge_runtime.host.lazy_names import lazy_names

if TYPE_CHECKING:
    from cdul_edge_runtime.bench.benchmark import BenchReport, BenchRequest, bench

__all__ = ["BenchReport", "BenchRequest", "bench"]

_HOMES = {"BenchReport": "benchmark", "BenchRequest": "benchmark", "bench": "benchmark"}

__getattr__ = lazy_names(__name__, _HOMES)

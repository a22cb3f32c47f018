"""The drawn world, its tiny CLIP, and the commands that are the demo.

    from cdul_edge.demo import DemoRequest, demo

The names are loaded on first use: the world can be painted without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdul_edge.demo.pipeline import demo
    from cdul_edge.demo.report import DemoRequest, DemoResult

__all__ = ["DemoRequest", "DemoResult", "demo"]

_HOMES = {"DemoRequest": "report", "DemoResult": "report", "demo": "pipeline"}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

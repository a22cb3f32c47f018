"""The drawn pictures that rows label: painted once, before the first row that is measured."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measured_rows.row import Setting
from cdul_edge.demo.world import paint_world


def prepare_world(setting: Setting) -> None:
    """Paint the world of `cdul-edge demo`, unless --work holds it."""
    paint_world(find_world(setting), train=3000, heldout=1000, seed=0)


def find_world(setting: Setting) -> Path:
    """Its folder, with `train/` and `classes.txt`."""
    return setting.work / "world"

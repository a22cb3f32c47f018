"""What the rows watch with: ResNet-18 of random weights, which is as fast as one that learned."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.streams.row import Setting

SMALL_PX, LARGE_PX = 96, 224


def small_bundle(setting: Setting) -> Path:
    """96 px, as the bundle of `cdul-edge demo`."""
    return _bundle(setting, SMALL_PX)


def large_bundle(setting: Setting) -> Path:
    """224 px."""
    return _bundle(setting, LARGE_PX)


def _bundle(setting: Setting, side_px: int) -> Path:
    """Export it, or take what an earlier row exported into the same folder."""
    name = "tiny" if setting.quick else "resnet18"
    folder = setting.work / f"{name}-{side_px}"
    if not folder.is_dir():
        from benchmarks.networks import add_int8_cpu, export_network  # it loads torch
        from benchmarks.peers.subjects import NOISE, make_network

        begun = folder.with_suffix(".begun")
        shutil.rmtree(begun, ignore_errors=True)
        setting.work.mkdir(parents=True, exist_ok=True)
        export_network(make_network(name), side_px, begun)
        add_int8_cpu(begun, 1 if setting.quick else NOISE)
        begun.rename(folder)
    return folder

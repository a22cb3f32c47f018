"""The real photographs: labels of cached CLIP outputs, and truth of 855 as the answers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.lite0 import NETWORK, write_weights
from benchmarks.measured_rows.figures import Measured
from benchmarks.measured_rows.row import Setting
from benchmarks.photographs import REPORTED, Photographs
from benchmarks.real_world import SIMILARITIES
from benchmarks.review.arms import measure_arms
from benchmarks.review.reviewed import World, learn
from cdul_edge.labelling import ImportRequest, label
from cdul_edge.training import TrainConfig
from cdul_edge_runtime.host.console import SilentConsole

# Small enough for twenty-seven runs in half an hour of one core; the network's own is 224 px.
SIDE_PX = 128


def measure_photographs(setting: Setting) -> Measured:
    """EfficientNet-Lite0 with the defaults of `train`, but for the size of its input."""
    world = replace(open_photographs(setting), only=Photographs().folder / "train_known.csv")
    side = 32 if setting.quick else SIDE_PX
    config = TrainConfig(
        network=f"timm:{NETWORK}",
        weights=str(write_weights(world.work / "lite0.safetensors")),
        height_px=side,
        width_px=side,
        epochs=1 if setting.quick else TrainConfig().epochs,
    )
    about = (
        "Photographs: labels of 5,717 cached CLIP outputs; learned from the 855 photographs with "
        f"truth, which answers for {len(REPORTED)} classes; judged on 947 others; "
        f"EfficientNet-Lite0, {config.epochs} epochs at {side} px."
    )
    return measure_arms(setting, lambda seed: world, partial(learn, config), about)


def open_photographs(setting: Setting) -> World:
    """All of them, with labels."""
    photographs = Photographs()
    similarities = photographs.folder.parent / SIMILARITIES
    folder = setting.work / "photographs"
    folder.mkdir(parents=True, exist_ok=True)

    def relabel(out: Path, files: tuple[Path, ...]) -> None:
        label(ImportRequest(similarities, out, observed=files), SilentConsole())

    relabel(folder / "labels", ())
    return World(
        work=folder,
        images=photographs.train,
        truth=photographs.folder / "train_known.csv",
        names=REPORTED,
        val=photographs.heldout,
        val_truth=photographs.heldout_table,
        relabel=relabel,
    )

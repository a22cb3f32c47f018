"""The real photographs: labels of cached CLIP outputs, and truth of 855 as the answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.lite0 import NETWORK, write_weights
from benchmarks.measured_rows.figures import Measured
from benchmarks.measured_rows.row import Setting
from benchmarks.photographs import REPORTED, Photographs
from benchmarks.real_world import SIMILARITIES
from benchmarks.review.arms import measure_arms
from benchmarks.review.reviewed import World
from cdul_edge.labelling import ImportRequest, label
from cdul_edge.training import TrainConfig
from cdul_edge_runtime.host.console import SilentConsole

# Small enough for fifteen runs in a quarter of an hour of one core; the network's own is 224 px.
SIDE_PX = 128


def measure_photographs(setting: Setting) -> Measured:
    """EfficientNet-Lite0 with the defaults of `train`, but for the size of its input."""
    photographs = Photographs()
    similarities = photographs.folder.parent / SIMILARITIES
    folder = setting.work / "photographs"
    folder.mkdir(parents=True, exist_ok=True)
    side = 32 if setting.quick else SIDE_PX
    config = TrainConfig(
        network=f"timm:{NETWORK}",
        weights=str(write_weights(folder / "lite0.safetensors")),
        height_px=side,
        width_px=side,
    )
    plain = ImportRequest(similarities, folder / "labels")

    def relabel(out: Path, files: tuple[Path, ...]) -> None:
        label(replace(plain, out=out, observed=files), SilentConsole())

    relabel(folder / "labels", ())
    world = World(
        work=folder,
        images=photographs.train,
        truth=photographs.folder / "train_known.csv",
        names=REPORTED,
        val=photographs.heldout,
        val_truth=photographs.heldout_table,
        relabel=relabel,
        only=photographs.folder / "train_known.csv",
    )
    own = replace(config, epochs=1) if setting.quick else config
    about = (
        "Photographs: labels of 5,717 cached CLIP outputs; learned from the 855 photographs with "
        f"truth, which answers for {len(REPORTED)} classes; judged on 947 others; "
        f"EfficientNet-Lite0, {own.epochs} epochs at {side} px. How answers correct labels was "
        "settled on halves of the 855."
    )
    return measure_arms(setting, lambda seed: world, own, about)

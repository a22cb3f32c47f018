"""Drawn worlds of the demo's kind: another one for each seed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.measured_rows.figures import Measured
from benchmarks.measured_rows.row import Setting
from benchmarks.review.arms import measure_arms
from benchmarks.review.reviewed import World, learn
from cdul_edge.demo.world import paint_world
from cdul_edge.labelling import LabelRequest, label
from cdul_edge.training.presets import make_config
from cdul_edge_runtime.host.console import SilentConsole

PICTURES, JUDGES = 400, 300


def measure_drawn(setting: Setting) -> Measured:
    """The demo's network and recipe, ten epochs."""
    config = make_config("demo", epochs=1 if setting.quick else 10)
    about = (
        f"Drawn worlds: {PICTURES} pictures to learn from and {JUDGES} that judge, another world "
        f"for each seed; the demo's small network, {config.epochs} epochs."
    )
    return measure_arms(setting, partial(open_drawn, setting), partial(learn, config), about)


def open_drawn(setting: Setting, seed: int) -> World:
    """The world of a seed, with its labels."""
    folder = setting.work / f"drawn-{seed}"
    sizes = (120, 40) if setting.quick else (PICTURES, JUDGES)
    drawn = paint_world(folder / "world", train=sizes[0], heldout=sizes[1], seed=seed)
    plain = LabelRequest(drawn.train, drawn.classes, folder / "labels", "demo", device="cpu")

    def relabel(out: Path, files: tuple[Path, ...]) -> None:
        label(replace(plain, out=out, observed=files), SilentConsole())

    relabel(folder / "labels", ())
    return World(
        work=folder,
        images=drawn.train,
        truth=drawn.train_truth,
        names=tuple(drawn.classes.read_text(encoding="utf-8").split()),
        val=drawn.heldout,
        val_truth=drawn.heldout_truth,
        relabel=relabel,
    )

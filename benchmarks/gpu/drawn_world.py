"""The demo's labels and student, made on the GPU, against what the CPU's seeds gave; and CCD."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cdul_edge
from benchmarks.gpu.step import Context, Figure, Outcome
from benchmarks.record import RESULTS
from cdul_edge.demo.world import World, paint_world
from cdul_edge.labelling import LabelRequest
from cdul_edge.training import TrainConfig, TrainRequest, TrainResult
from cdul_edge.training.presets import make_config
from cdul_edge.training.request import EvaluationOptions
from cdul_edge.training.summary import read_metrics
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.json_record import parse_record

_PICTURES, _HELD_OUT = 3000, 1000  # the demo's own


@dataclass(frozen=True)
class _Found:
    map_mean: dict[str, float]
    map_stdev: dict[str, float]


@dataclass(frozen=True)
class _File:
    figures: _Found


def paint(context: Context) -> World:
    """The demo's world of seed 0."""
    return paint_world(
        context.folder / "world", train=context.size(_PICTURES, 96),
        heldout=context.size(_HELD_OUT, 20), seed=0,
    )  # fmt: skip


def label_world(context: Context, world: World) -> Path:
    """The demo's labels, by the demo's CLIP."""
    out = context.folder / "labels"
    request = LabelRequest(world.train, world.classes, out, "demo", device=context.device)
    cdul_edge.label(request, console=SilentConsole())
    return out


def learn_demo(context: Context, world: World, labels: Path) -> Outcome:
    """The demo's student; each mAP is held to what `benchmarks.demo` found on CPUs."""
    config = make_config("demo", epochs=context.size(None, 1))
    summary = _train(context, world, labels, "demo", config).summary
    if summary.labels_map is None or summary.val is None:
        return Outcome(failures=("the run has no figures, for all its truth",))
    figures = (
        _judge(context, "labels' mAP", "pseudo_labels", summary.labels_map[0]),
        _judge(context, "refined labels' mAP", "refined_labels", summary.labels_map[1]),
        _judge(context, "held-out mAP", "student_heldout", summary.val.map),
        Figure("pictures/s of its epochs", summary.images_per_second),
    )
    return Outcome(figures, details={"precision": config.precision, "seconds": summary.seconds})


def look_again(context: Context, world: World, labels: Path) -> Outcome:
    """CCD's second look: CLIP, on the same device as the network, sees what the network points at.

    Its labels rise by it on CPUs (docs/methods.md).
    """
    config = make_config(
        "demo", method="ccd", epochs=context.size(4, 2),
        method_settings={"label_warmup": context.size(3, 1)},
    )  # fmt: skip
    result = _train(context, world, labels, "ccd", config)
    before, after = result.summary.labels_map or (float("nan"), float("nan"))
    looks = [
        one.revision for one in read_metrics(result.folder) if "look_threshold" in one.revision
    ]
    if len(looks) != 1:
        return Outcome(failures=(f"CLIP looked {len(looks)} times, expected once",))
    seen = float(looks[0]["pictures_seen_again"])
    figures = (
        Figure("pictures seen again", 100 * seen, "%", at_least=_unless_quick(context, 50)),
        Figure("labels' mAP, first to last", after - before, at_least=_unless_quick(context, 0)),
    )
    return Outcome(figures, details={"map": [before, after], "look": dict(looks[0])})


def _train(
    context: Context, world: World, labels: Path, name: str, config: TrainConfig
) -> TrainResult:
    evaluation = EvaluationOptions(
        world.heldout, world.heldout_truth, world.train_truth, every_epoch=False
    )
    request = TrainRequest(
        labels, context.folder / name, config, evaluation=evaluation, device=context.device
    )
    return cdul_edge.train(request, console=SilentConsole())


def _judge(context: Context, name: str, known: str, value: float) -> Figure:
    """At least the CPU's mean over seeds, less three of its deviations, or a point."""
    found = parse_record(_File, read_json(RESULTS / "demo.json")).figures
    floor = found.map_mean[known] - max(1.0, 3 * found.map_stdev[known])
    return Figure(name, value, at_least=_unless_quick(context, round(floor, 1)))


def _unless_quick(context: Context, bar: float) -> float | None:
    """A bar that a hundred pictures would be too few for."""
    return None if context.quick else bar

"""Step (c): `train` against bare steps, and what it learns on the drawn world."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Literal

from benchmarks.gpu.parts import Part, run_parts
from benchmarks.gpu.step import Context, Figure, Outcome, Step, anywhere

_BAR = 0.9
_SECONDS = 11  # of each number format, beside what is made once


def run(context: Context) -> Outcome:
    """Speeds first; then the demo's student, CCD, and SyncBatchNorm."""
    from benchmarks.gpu import drawn_world, sync_norm

    share = min(1.0, context.seconds_left() / STEP.seconds)
    formats: tuple[Literal["bf16", "fp16"], ...] = (
        ("bf16", "fp16") if context.device == "cuda" else ("bf16",)
    )
    parts: dict[str, Part] = {
        f"resnet50 {name}": partial(_measure, context, name, share * _SECONDS) for name in formats
    }
    world = drawn_world.paint(context)
    labels = context.folder / "labels"

    def learn() -> Outcome:
        drawn_world.label_world(context, world)
        return drawn_world.learn_demo(context, world, labels)

    parts["drawn world"] = learn
    parts["CCD's second look"] = partial(drawn_world.look_again, context, world, labels)
    parts["SyncBatchNorm in 1 process"] = partial(sync_norm.convert_networks, context)
    notes = ("train runs in one process: there is no distributed training to measure",)
    return run_parts(context, parts, notes)


def _measure(context: Context, precision: Literal["bf16", "fp16"], seconds: float) -> Outcome:
    from benchmarks.gpu.training import Case, time_training

    case = Case(
        network=context.size("resnet50", "clip:demo"),
        side_px=context.size(224, 64),
        precision=precision,
        device=context.device,
        pictures=context.size(4096, 8),
        batch=context.size(128, 4),
    )
    found = time_training(case, context.size(seconds, 0.0))
    figures = (
        Figure("pictures/s of `train`", found.train),
        Figure("pictures/s of bare steps", found.bare),
        Figure("pictures/s of bare steps, cudnn.benchmark", found.benchmarked),
        Figure("`train` over bare steps", found.train_over_bare, at_least=_BAR, costs=True),
    )
    return Outcome(figures, details={"case": asdict(case), "seconds": found.seconds})


STEP = Step(
    name="training",
    title="training resnet50 against bare steps, and what the drawn world's student learns",
    needs=anywhere,
    seconds=95,
    quick_seconds=20,
    run=run,
    modules=("torch", "torchvision", "open_clip", "pyarrow"),
)

"""Step (b): `label` from JPEG files against CLIP's bare forward, and half against float32."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.gpu.parts import Part, run_parts
from benchmarks.gpu.step import Context, Figure, Outcome, Step, anywhere

if TYPE_CHECKING:
    from benchmarks.gpu.labelling import Labelled, Rounding

_BAR = 0.85
_PART = 512  # pictures in a part of the store: whole parts are measured


@dataclass(frozen=True)
class _Clip:
    """A CLIP, and whether its weights mean something: random ones tell no class from another."""

    name: str
    pretrained: str | None
    trained: bool


_CLIPS = (_Clip("demo", None, True), _Clip("RN50", "none", False), _Clip("ViT-B-16", "none", False))


def run(context: Context) -> Outcome:
    """One CLIP after another, on the same pictures."""
    from benchmarks.gpu.labelling import DIFFERENT, write_pictures

    files = write_pictures(context.folder / "pictures", context.size(DIFFERENT, 8))
    end = context.seconds_left()
    parts: dict[str, Part] = {
        clip.name: partial(_measure, context, clip, files, end / len(_CLIPS)) for clip in _CLIPS
    }
    return run_parts(context, parts)


def _measure(context: Context, clip: _Clip, files: tuple[Path, ...], seconds: float) -> Outcome:
    """Within about `seconds`, of which loading CLIP twice takes some."""
    from benchmarks.gpu.labelling import (
        Case,
        compare_cosines,
        link_pictures,
        time_decoding,
        time_forward,
        time_labelling,
    )
    from cdul_edge.clip.models import load_clip
    from cdul_edge.labelling.decode.views import Views

    views = context.size(Views(), Views(1, 1))
    loaded = load_clip(clip.name, clip.pretrained)
    most = context.size(None, 2)
    case = Case(clip.name, clip.pretrained, loaded, context.device, views, files, most)
    encoder = case.encoder()
    short = context.size(min(3.0, seconds / 12), 0.0)
    forward = time_forward(case, encoder, short)
    some, many = context.folder / f"{clip.name}-some", context.folder / f"{clip.name}-many"
    link_pictures(files, some, context.size(8 * _PART, 24))
    decoding = time_decoding(case, encoder, some, short)
    rounding = compare_cosines(case, context.size(64, 1))
    wanted = min(forward, decoding) * min(10.0, seconds / 3)
    count = context.size(_PART * max(2, min(32, round(wanted / _PART))), 4)
    link_pictures(files, many, count)
    labelled = time_labelling(case, encoder, many, context.folder / f"{clip.name}-labels")
    for folder in (some, many):
        shutil.rmtree(folder)
    figures = _figures(clip, forward, decoding, labelled, rounding)
    details = {
        "batch_pictures": case.batch(encoder),
        "views": views.count,
        "precision": encoder.precision,
        "labelled": asdict(labelled),
        "rounding": asdict(rounding),
    }
    return Outcome(figures, details=details)


def _figures(
    clip: _Clip, forward: float, decoding: float, labelled: Labelled, rounding: Rounding
) -> tuple[Figure, ...]:
    """Rates in pictures/s, with the bars."""
    from cdul_edge_runtime.host.machine import usable_cores

    slower = min(forward, decoding)
    limit = "CLIP" if forward <= decoding else "decoding"
    return (
        Figure("pictures/s of the bare forward", forward),
        Figure(f"pictures/s of decoding alone, {usable_cores()} processes", decoding),
        Figure("pictures/s of `label`", labelled.steady),
        Figure("pictures/s of `label`, its start included", labelled.whole),
        Figure(
            "`label` over the bare forward", labelled.steady / forward, at_least=_BAR, costs=True
        ),
        Figure(
            f"`label` over the slower of the two, {limit}",
            labelled.steady / slower, at_least=_BAR, costs=True,
        ),
        Figure(
            f"best class the same in {rounding.precision} as in fp32", 100 * rounding.agreement,
            "%", at_least=98 if clip.trained else None,
        ),
        Figure(
            f"largest difference of a cosine, {rounding.precision} to fp32", rounding.largest,
            at_most=0.01 if rounding.precision == "fp16" else 0.05,
        ),
    )  # fmt: skip


STEP = Step(
    name="labeling",
    title="labeling from JPEG files against CLIP's bare forward, and half against float32",
    needs=anywhere,
    seconds=75,
    quick_seconds=30,
    run=run,
    modules=("torch", "torchvision", "open_clip", "pyarrow"),
)

"""`cdul-edge sample`: questions whose answers say how good scores are."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from cdul_edge.cli.options.scores import AskedClassOption, ScoresArgument
from cdul_edge.cli.options.thresholds import THRESHOLD_HELP, parse_threshold
from cdul_edge.cli.output.result_console import message_console
from cdul_edge.storage.location import parse_location
from cdul_edge_runtime.host.console import StderrConsole

OutOption = Annotated[Path, typer.Option(help="The sheet: a CSV to fill in with a spreadsheet.")]
PerClassOption = Annotated[
    int, typer.Option(help="Pictures to ask about for each class, at least 6.")
]
ThresholdOption = Annotated[
    str | None,
    typer.Option(
        help=f"{THRESHOLD_HELP}. It replaces the thresholds that came with the scores; give the "
        "same to `evaluate`."
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder or list of the pictures as they lie now: only those that are there are asked "
        "about, found by path, file name or stem; give the same to `evaluate`."
    ),
]
SeedOption = Annotated[int, typer.Option(help="Seed of the draw.", min=0)]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace the sheet, with the answers it may hold.")
]


def sample(
    scores: ScoresArgument,
    out: OutOption,
    per_class: PerClassOption = 50,
    class_names: AskedClassOption = None,
    threshold: ThresholdOption = None,
    images: ImagesOption = None,
    seed: SeedOption = 0,
    force: ForceOption = False,
) -> None:
    """Draw pictures to answer by hand, so that `evaluate --sampled` can say how good scores are."""
    from cdul_edge.front.sampling import SampleRequest
    from cdul_edge.front.sampling import sample as draw

    request = SampleRequest(
        scores=parse_location(scores),
        out=out,
        per_class=per_class,
        class_names=tuple(class_names or ()),
        threshold=None if threshold is None else parse_threshold(threshold),
        images=images,
        seed=seed,
        force=force,
    )
    result = draw(request, StderrConsole())
    questions, count = sum(result.questions.values()), len(result.questions)
    classes = "1 class" if count == 1 else f"{count} classes"
    console = message_console()
    console.print(f"{questions} questions about {classes}, of {result.pictures} pictures")
    if result.root is not None and result.root != Path():
        console.print(f"the pictures lie in {result.root}")
    words = ["cdul-edge", "evaluate", str(scores), "--sampled", str(out)]
    words += [] if threshold is None else ["--threshold", threshold]
    words += [] if images is None else ["--images", str(images)]
    console.print(
        f"answer yes, no or ? in {out}, in the order given or not; then run {shlex.join(words)}"
    )
    if threshold is None:
        page = ["cdul-edge", "review", str(scores), "--sheet", str(out), "--out", "review.html"]
        page += [] if images is None else ["--images", str(images)]
        console.print(f"to answer with the pictures in sight: {shlex.join(page)}")

"""`cdul-edge review`: a page that asks about the labels of which an answer helps most."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cdul_edge.cli.options.scores import AskedClassOption, ScoresArgument
from cdul_edge.cli.output.result_console import message_console, result_console
from cdul_edge.storage.location import parse_location
from cdul_edge_runtime.errors import extra_imports
from cdul_edge_runtime.host.console import StderrConsole

OutOption = Annotated[Path, typer.Option(help="The HTML file.")]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder or list of the pictures as they lie now, found by path, file name or stem; "
        "only those that are there are asked about.",
        show_default="where they lay",
    ),
]
CountOption = Annotated[int, typer.Option(help="Entries to ask about, a picture and a class each.")]
ObservedOption = Annotated[
    list[Path] | None,
    typer.Option(
        help="Answers that were given before, as `train --observed` reads them: these entries are "
        "not asked about again. May be repeated.",
    ),
]
SheetOption = Annotated[
    Path | None,
    typer.Option(
        help="A sheet of `sample`, drawn from these labels: the page asks its questions, too, and "
        "saves it for `evaluate --sampled`."
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an earlier page.")]


def review(
    labels: ScoresArgument,
    out: OutOption,
    images: ImagesOption = None,
    count: CountOption = 200,
    class_names: AskedClassOption = None,
    observed: ObservedOption = None,
    sheet: SheetOption = None,
    force: ForceOption = False,
) -> None:
    """Write a page that asks about the labels of which an answer helps most.

    It needs no server and no network. What it saves goes into `train --observed`.
    """
    with extra_imports("report", "a review"):
        from cdul_edge.reviewing.request import ReviewRequest
        from cdul_edge.reviewing.review import review as write

    request = ReviewRequest(
        labels=parse_location(labels),
        out=out,
        images=images,
        count=count,
        class_names=tuple(class_names or ()),
        observed=tuple(observed or ()),
        sheet=sheet,
        force=force,
    )
    result = write(request, StderrConsole(message_console()))
    questions, classes = sum(result.entries.values()), len(result.entries)
    console = message_console()
    console.print(
        f"{questions} questions about {'1 class' if classes == 1 else f'{classes} classes'}"
        + (f", and {result.sheet_questions} of the sheet" if result.sheet_questions else "")
        + f", on {result.pictures} pictures ({result.bytes / 1e6:.1f} MB): open the page in a "
        "browser"
    )
    result_console().print(f"{result.out}")

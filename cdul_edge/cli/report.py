"""`cdul-edge report`: one page of what the stages made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cdul_edge.cli.output.result_console import message_console, result_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge_runtime.errors import extra_imports
from cdul_edge_runtime.host.console import StderrConsole

InputsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FOLDER...",
        help="Labels, runs, bundles, JSON of verify, bench or evaluate, predictions, rows of "
        "watch, or a folder that holds such, as the demo's.",
    ),
]
OutOption = Annotated[Path, typer.Option(help="The HTML file.")]
ImagesOption = Annotated[
    Path | None,
    typer.Option(help="Folder in which the pictures lie now.", show_default="where they lay"),
]
ClassOption = Annotated[
    list[str] | None,
    typer.Option(
        "--class",
        help="Show this class in full, and no other. May be repeated.",
        show_default="as many as fit",
    ),
]
JsonOption = Annotated[
    Path | None,
    typer.Option(help="Write every figure of the page as JSON to this file; - is stdout."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an earlier page.")]


def report(
    inputs: InputsArgument,
    out: OutOption,
    images: ImagesOption = None,
    classes: ClassOption = None,
    json: JsonOption = None,
    force: ForceOption = False,
) -> None:
    """Show what the stages made on one page: pictures, charts, figures, and how to make it again.

    The page is one file that needs no network and no server.
    """
    with extra_imports("report", "a report"):
        from cdul_edge.reporting.report import report as write
        from cdul_edge.reporting.request import ReportRequest

    to_stdout = str(json) == "-"
    request = ReportRequest(
        inputs=tuple(inputs),
        out=out,
        images=images,
        class_names=tuple(classes or ()),
        json=None if to_stdout else json,
        force=force,
    )
    console = message_console()
    result = write(request, StderrConsole(console))
    shown = " and ".join(
        one
        for one in (
            "1 section" if len(result.sections) == 1 else f"{len(result.sections)} sections",
            f"{result.pictures} pictures" if result.pictures else "",
        )
        if one
    )
    console.print(f"{shown} ({result.bytes / 1e6:.1f} MB): open the page in a browser")
    if json is not None and to_stdout:
        write_summary(json, result.figures)
    else:
        result_console().print(f"{result.out}")

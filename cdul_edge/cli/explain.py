"""`cdul-edge explain`: where a network looks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cdul_edge.cli.output.result_console import message_console
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.host.console import StderrConsole


def explain(
    run: Annotated[Path, typer.Argument(help="Folder of a finished `cdul-edge train`.")],
    images: Annotated[
        Path, typer.Argument(help="Pictures to explain: a folder, or a text or CSV list.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="New folder for the panels, their index.json, and the page that shows them."
        ),
    ],
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            help="Show this class in every panel, predicted or not. May be repeated.",
            show_default="the predicted classes",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            help="Show at most this many predicted classes per picture.", min=1, show_default="3"
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Show only the first pictures.", min=1, show_default="all pictures"),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Run the network on this device: auto, cpu, cuda, cuda:1, ...")
    ] = "auto",
    force: Annotated[
        bool, typer.Option("--force", help="Replace earlier panels in --out.")
    ] = False,
) -> None:
    """Draw where the network looks: class activation maps after the first and the last epoch."""
    if classes and top is not None:
        raise CdulEdgeError("--class and --top exclude each other: a named class is always shown")
    with extra_imports("train", "explaining a run"):
        from cdul_edge.training.attention import explain as explaining
    console = StderrConsole(message_console())
    request = explaining.ExplainRequest(
        run, images, out, tuple(classes or ()), top or 3, limit, device, force
    )
    result = explaining.explain(request, console)
    console.say(
        f"{len(result.pictures)} panels and {explaining.INDEX} are in {result.folder}; "
        f"open {result.folder / explaining.PAGE} in a browser"
    )

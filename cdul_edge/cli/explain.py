"""`cdul-edge explain`: where a network looks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cdul_edge_runtime.errors import CdulEdgeError, extra_imports


def explain(
    run: Annotated[Path, typer.Argument(help="Folder of `cdul-edge train`.")],
    images: Annotated[Path, typer.Argument(help="Folder, text file or CSV of pictures.")],
    out: Annotated[Path, typer.Option(help="New folder for the panels.")],
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class", help="Show this class; may be repeated.", show_default="the predicted ones"
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(help="Most predicted classes a picture.", min=1, show_default="3"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Only the first pictures.", min=1, show_default="all")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace the panels in --out.")] = False,
) -> None:
    """Draw class activation maps over pictures: after the first epoch, and after the last."""
    if classes and top is not None:
        raise CdulEdgeError("--class and --top exclude each other: a named class is always shown")
    with extra_imports("train", "explaining a run"):
        from cdul_edge.training.attention.explain import INDEX, ExplainRequest, explain_run
        from cdul_edge.training.progress import Talk
    talk = Talk()
    asked = ExplainRequest(run, images, out, tuple(classes or ()), top or 3, limit, device, force)
    index = explain_run(asked, talk)
    talk.say(f"{len(index['pictures'])} panels and {INDEX} are in {out}")

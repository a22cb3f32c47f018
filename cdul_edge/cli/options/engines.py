"""The options of `cdul-edge label` about where and by how many its work is done."""

from __future__ import annotations

from typing import Annotated

import typer

from cdul_edge.labelling import choices

_SCALE = "Many machines"

Engine = Annotated[
    choices.EngineName,
    typer.Option(
        help="What makes the parts of the store: local is this process, ray a Ray cluster or this "
        "machine's cores. Either makes the same bytes, and continues what the other began.",
        rich_help_panel=_SCALE,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="With --engine ray: HOST:PORT of a cluster, or auto for the one that this machine is "
        "part of.",
        show_default="RAY_ADDRESS, or Ray on this machine alone",
        rich_help_panel=_SCALE,
    ),
]
Actors = Annotated[
    int | None,
    typer.Option(
        help="With --engine ray: processes with a CLIP each.",
        min=1,
        show_default="as many as the cluster has room for",
        rich_help_panel=_SCALE,
    ),
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Read every file of the labels folder and compare it with what was written. Without "
        "it, names and sizes are compared.",
        rich_help_panel=_SCALE,
    ),
]

"""Scores that a command reads."""

from __future__ import annotations

from typing import Annotated

import typer

ScoresArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCORES",
        help="Labels folder or pseudo-label file, a path or a URL; or predictions (.jsonl, .csv).",
    ),
]
AskedClassOption = Annotated[
    list[str] | None,
    typer.Option(
        "--class",
        metavar="NAME",
        help="Ask about this class only; repeat it for several.",
        show_default="all classes",
    ),
]

"""The options of `cdul-edge verify`; those of devices are shared with `bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

BundleFolder = Annotated[Path, typer.Argument(help="Folder of the bundle.")]
Images = Annotated[
    Path | None,
    typer.Option(
        help="Classify these pictures too, and compare with FP32: a folder, a list, or a CSV file.",
        show_default=False,
    ),
]
Truth = Annotated[
    Path | None,
    typer.Option(
        help="What they show: CSV, VOC folder, COCO JSON or NPZ. Without it, the FP32 scores are "
        "taken as truth.",
        show_default=False,
    ),
]
Run = Annotated[
    Path | None,
    typer.Option(help="Run the network of this run in PyTorch as well.", show_default=False),
]
Threads = Annotated[
    int | None, typer.Option(help="Use this many CPU threads.", min=1, show_default="all")
]
Repeats = Annotated[int, typer.Option(help="Time this many calls.", min=1)]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Exit with 1 also where there are too few pictures to tell."),
]
Json = Annotated[
    Path | None,
    typer.Option(help="Write the report as JSON; - is stdout.", show_default="BUNDLE-verify.json"),
]

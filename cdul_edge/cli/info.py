"""`cdul-edge info`: what is this file or folder of ours?"""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from cdul_edge.cli.output.result_console import result_console
from cdul_edge.cli.output.summary import write_summary

PathArgument = Annotated[
    Path, typer.Argument(help="File or folder that a command of cdul-edge made.")
]
JsonOption = Annotated[
    Path | None,
    typer.Option(help="Write the facts as JSON to this file; - is stdout.", show_default="a table"),
]


def info(path: PathArgument, json: JsonOption = None) -> None:
    """Describe a labels folder, run, or bundle, or one of their files."""
    from cdul_edge.front.description import LABELS, describe_path

    found = describe_path(path)
    if json is not None:
        write_summary(json, found.to_dict())
    elif found.kind == LABELS:
        from cdul_edge.cli.output.labels_view import show_labels
        from cdul_edge.labels.manifest import read_manifest

        manifest = read_manifest(path if path.is_dir() else path.parent)
        if manifest is not None:
            show_labels(manifest, result_console())
    else:
        _show(found.to_dict())


def _show(facts: Mapping[str, object]) -> None:
    from rich.text import Text

    console, width = result_console(), max(map(len, facts))
    for key, value in facts.items():
        text = value if isinstance(value, str) else json_module.dumps(value, ensure_ascii=False)
        console.print(Text.assemble((key.ljust(width), "bold"), f"  {text}"))  # no table: it pads

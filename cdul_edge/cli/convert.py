"""`cdul-edge convert`: labels and scores to the tools that people have, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from cdul_edge.cli.output.result_console import message_console
from cdul_edge.converting.request import FormatName
from cdul_edge.storage.location import parse_location
from cdul_edge_runtime.host.console import StderrConsole

InputArgument = Annotated[
    str,
    typer.Argument(
        metavar="INPUT",
        help="With --to: a labels folder or pseudo-label file, predictions (.jsonl, .csv), labels "
        "that people gave, or truth. With --from: the other tool's file or folder.",
    ),
]
OutArgument = Annotated[
    Path,
    typer.Argument(
        metavar="OUT",
        help="With --to: the file or folder for the other tool. With --from: the CSV that "
        "`train --observed` reads.",
    ),
]
ToOption = Annotated[
    FormatName | None,
    typer.Option(
        "--to",
        metavar="FORMAT",
        help=f"Write for this tool: {', '.join(get_args(FormatName))}.",
        show_default=False,
    ),
]
FromOption = Annotated[
    FormatName | None,
    typer.Option(
        "--from",
        metavar="FORMAT",
        help="Read what this tool wrote: one of the same, but csv-scores.",
        show_default=False,
    ),
]
LabelsOption = Annotated[
    str | None,
    typer.Option(
        help="Labels folder whose pictures and classes are meant. --from needs it; with --to, "
        "INPUT is then labels that people gave, and the folder's scores go beside them.",
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(help="Folder in which the pictures lie now.", show_default="where the labels say"),
]
CopyOption = Annotated[
    bool, typer.Option("--copy", help="Put the pictures into OUT (imagefolder, parquet).")
]
UrlOption = Annotated[
    str | None,
    typer.Option(
        help="What stands before a picture's path in the tasks of label-studio.",
        show_default="its local files",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an earlier result.")]


def convert(
    source: InputArgument,
    out: OutArgument,
    to_format: ToOption = None,
    from_format: FromOption = None,
    labels: LabelsOption = None,
    images: ImagesOption = None,
    copy: CopyOption = False,
    picture_url: UrlOption = None,
    force: ForceOption = False,
) -> None:
    """Write labels and scores for another tool, or turn what people did there into observed labels.

    Pictures are named by their paths, and stay where they are.
    """
    from cdul_edge.converting.convert import convert as run
    from cdul_edge.converting.request import ConvertRequest

    request = ConvertRequest(
        input=parse_location(source),
        out=out,
        to_format=to_format,
        from_format=from_format,
        labels=None if labels is None else parse_location(labels),
        images=images,
        copy=copy,
        picture_url=picture_url,
        force=force,
    )
    result = run(request, StderrConsole(message_console()))
    pictures = "1 picture" if result.pictures == 1 else f"{result.pictures} pictures"
    unknown = f", {result.unknown} unknown" if result.unknown else ""
    message_console().print(
        f"{pictures}, {result.classes} classes: {result.present} entries present, "
        f"{result.absent} absent{unknown}"
    )
    if str(out) != "/dev/stdout":
        print(result.out)

"""`cdul-edge predict`: pictures in, one line per picture out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cdul_edge.cli.options.devices import DeviceOption, PrecisionOption
from cdul_edge.cli.options.stdin_names import read_names
from cdul_edge.cli.options.thresholds import THRESHOLD_HELP, read_given
from cdul_edge.cli.output.devices import say_selection
from cdul_edge.cli.output.predictions import (
    Format,
    PredictionWriter,
    open_predictions,
    refuse_output,
)
from cdul_edge.cli.output.result_console import message_console
from cdul_edge_runtime.errors import CdulEdgeError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cdul_edge_runtime.classifier import Classifier

BundleArgument = Annotated[
    Path, typer.Argument(help="Bundle folder, or an ONNX file that `cdul-edge export` made.")
]
SourcesArgument = Annotated[
    list[str],
    typer.Argument(
        help="Pictures, folders of pictures, or - for paths on stdin, one per line. Each of those "
        "is answered as soon as it arrives."
    ),
]
FormatOption = Annotated[
    Format,
    typer.Option(
        help="jsonl writes path, labels and scores of each picture; csv writes one column of "
        "scores per class."
    ),
]
ThresholdOption = Annotated[
    str | None, typer.Option(help=f"{THRESHOLD_HELP}. Replaces the bundle's thresholds.")
]
TopOption = Annotated[
    int | None,
    typer.Option(help="Write only the K highest scores of each picture, as jsonl.", min=1),
]
OutOption = Annotated[Path | None, typer.Option(help="Write to this file.", show_default="stdout")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace the predictions that --out holds.")
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        help="CPU threads. Use fewer where other programs need the cores.",
        min=1,
        show_default="all cores",
    ),
]
BatchOption = Annotated[
    int, typer.Option(help="Pictures per forward pass, where the device takes so many.", min=1)
]


def predict(
    bundle: BundleArgument,
    sources: SourcesArgument,
    format: FormatOption = "jsonl",
    threshold: ThresholdOption = None,
    top: TopOption = None,
    out: OutOption = None,
    force: ForceOption = False,
    batch_size: BatchOption = 16,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Classify pictures: one line per picture on stdout; those that cannot be read, on stderr."""
    from cdul_edge_runtime.classifier import Classifier

    if top is not None and format == "csv":
        raise CdulEdgeError("--top and --format csv exclude each other: CSV has every column")
    refuse_output(out, force=force, inputs=[bundle, *map(Path, sources)])
    _refuse_lists(sources)
    with Classifier.load(bundle, device=device, precision=precision, threads=threads) as loaded:
        say_selection(loaded)
        given = None if threshold is None else read_given(threshold, loaded.classes)
        with open_predictions(out, format, loaded.classes, top) as writer:
            _predict_all(loaded, _find_paths(sources), batch_size, given, writer).conclude()


def _refuse_lists(sources: list[str]) -> None:
    """`--images` of other commands takes lists, so people try them here."""
    for source in sources:
        if Path(source).suffix.lower() in (".txt", ".csv") and Path(source).is_file():
            raise CdulEdgeError(
                f"{source} is a list and no picture: send one path per line on stdin, "
                "`cdul-edge predict BUNDLE - < paths.txt`"
            )


@dataclass
class _Counts:
    pictures: int = 0
    unreadable: int = 0

    def conclude(self) -> None:
        """Say how many pictures cannot be read; raises `CdulEdgeError` where none can be."""
        if self.pictures == 0:
            raise CdulEdgeError("no pictures: name files or folders, or send paths to - on stdin")
        if self.unreadable == self.pictures:
            raise CdulEdgeError(f"none of the {self.pictures} pictures can be read; see above")
        if self.unreadable:
            text = f"{self.unreadable} of {self.pictures} pictures cannot be read"
            message_console().print(text, style="yellow")


def _predict_all(
    classifier: Classifier,
    paths: Iterator[str | None],
    batch_size: int,
    thresholds: npt.NDArray[np.float32] | None,
    writer: PredictionWriter,
) -> _Counts:
    from cdul_edge_runtime.bulk import predict_files
    from cdul_edge_runtime.errors import ImageError

    counts = _Counts()
    for path, outcome in predict_files(classifier, paths, batch_size=batch_size):
        counts.pictures += 1
        if isinstance(outcome, ImageError):
            counts.unreadable += 1
            # all of it ASCII: stderr has no encoding that programs could rely on
            message_console().print(json.dumps({"path": path, "error": outcome.reason}))
        elif thresholds is None:
            writer.write(path, outcome)
        else:
            writer.write(path, replace(outcome, thresholds=thresholds))
    return counts


def _find_paths(sources: list[str]) -> Iterator[str | None]:
    from cdul_edge_runtime.pictures.images import find_images
    from cdul_edge_runtime.pictures.walk import require_utf8

    for source in map(require_utf8, sources):
        if source == "-":
            yield from read_names()
        elif Path(source).is_dir():
            yield from (str(Path(source, path)) for path in find_images(Path(source)).paths)
        else:
            yield source

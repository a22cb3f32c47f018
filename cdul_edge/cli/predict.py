"""`cdul-edge predict`: pictures in, one line each out."""

from __future__ import annotations

import csv
import io
import json as json_module
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from cdul_edge.cli.options.devices import DeviceOption, PrecisionOption
from cdul_edge.cli.options.thresholds import THRESHOLD_HELP, read_given
from cdul_edge.cli.output.devices import say_selection
from cdul_edge.cli.output.result_console import message_console
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.ownership import FileKind

if TYPE_CHECKING:
    from cdul_edge_runtime.bundle.classes import ClassList
    from cdul_edge_runtime.prediction import Prediction


def _holds_predictions(beginning: bytes) -> bool:
    first, _, _ = beginning.partition(b"\n")
    if first.startswith(b"image_path,"):
        return True
    try:
        row = json_module.loads(first)
    except ValueError:
        return False
    return isinstance(row, dict) and {"path", "scores"} <= row.keys()


PREDICTIONS_FILE = FileKind("predictions", _holds_predictions)
WriteRow = Callable[[str, "Prediction"], None]


class Format(str, Enum):
    """How a prediction is written."""

    JSONL = "jsonl"
    CSV = "csv"


def predict(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder, or a bare .onnx of ours.")],
    sources: Annotated[list[str], typer.Argument(help="Pictures, folders, or - (paths on stdin).")],
    format: Annotated[
        Format, typer.Option(help="jsonl: path, labels, scores; csv: a column of scores a class.")
    ] = Format.JSONL,
    threshold: Annotated[
        str | None, typer.Option(help=f"{THRESHOLD_HELP}; in place of the bundle's.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="Keep only the K highest scores (jsonl).", min=1)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write.", show_default="stdout")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace --out.")] = False,
    batch_size: Annotated[
        int, typer.Option(help="Pictures at once, where the device takes so many.", min=1)
    ] = 16,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: Annotated[
        int | None, typer.Option(help="CPU threads.", min=1, show_default="all cores")
    ] = None,
) -> None:
    """Classify pictures; one line each on stdout, what cannot be read on stderr."""
    from cdul_edge_runtime.bulk import predict_files
    from cdul_edge_runtime.classifier import Classifier
    from cdul_edge_runtime.errors import ImageError

    if top is not None and format is Format.CSV:
        raise CdulEdgeError("--top and --format csv exclude each other: CSV has every column")
    with Classifier.load(bundle, device=device, precision=precision, threads=threads) as classifier:
        say_selection(classifier)
        given = None if threshold is None else read_given(threshold, classifier.classes)
        counts = {"pictures": 0, "unreadable": 0}
        with _open_output(out, force, [bundle, *map(Path, sources)]) as file:
            write = _row_writer(file, format, classifier.classes, top)
            paths = _find_paths(sources)
            for path, outcome in predict_files(classifier, paths, batch_size=batch_size):
                counts["pictures"] += 1
                if isinstance(outcome, ImageError):
                    counts["unreadable"] += 1
                    _complain(path, outcome.reason)
                else:
                    write(path, outcome if given is None else replace(outcome, thresholds=given))
            _conclude(counts)


def _find_paths(sources: list[str]) -> Iterator[str]:
    from cdul_edge_runtime.pictures.images import find_images
    from cdul_edge_runtime.pictures.walk import require_utf8

    for source in map(require_utf8, sources):
        if source == "-":
            if isinstance(sys.stdin, io.TextIOWrapper):
                sys.stdin.reconfigure(encoding="utf-8", errors="replace")
            yield from (line.rstrip("\r\n") for line in sys.stdin if line.strip())
        elif Path(source).is_dir():
            yield from (str(Path(source, path)) for path in find_images(Path(source)).paths)
        else:
            yield source


@contextmanager
def _open_output(out: Path | None, force: bool, inputs: list[Path]) -> Iterator[TextIO]:
    from cdul_edge_runtime.host.files import atomic_write, refuse_existing

    if out is None:
        yield sys.stdout
        return
    refuse_existing(out, PREDICTIONS_FILE, force=force, inputs=inputs)
    with atomic_write(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        yield file


def _row_writer(file: TextIO, format: Format, classes: ClassList, top: int | None) -> WriteRow:
    if format is Format.CSV:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image_path", *classes])
        return lambda path, row: table.writerow([path, *row.to_dict()["scores"].values()])

    def write_line(path: str, prediction: Prediction) -> None:
        row = {"path": path, **prediction.to_dict()}
        if top is not None:
            row["scores"] = dict(prediction.top(top))
        file.write(json_module.dumps(row, ensure_ascii=False) + "\n")

    return write_line


def _complain(path: str, reason: str) -> None:
    line = {"path": path, "error": reason}
    print(json_module.dumps(line, ensure_ascii=False), file=sys.stderr)


def _conclude(counts: dict[str, int]) -> None:
    if counts["pictures"] == 0:
        raise CdulEdgeError("no pictures: name files or folders, or send paths to - on stdin")
    if counts["unreadable"] == counts["pictures"]:
        raise CdulEdgeError(f"none of the {counts['pictures']} pictures can be read; see above")
    if counts["unreadable"]:
        text = f"{counts['unreadable']} of {counts['pictures']} pictures cannot be read"
        message_console().print(text, style="yellow")

"""Predictions as JSON or CSV lines, on stdout or in a file; an interruption keeps what is done."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from cdul_edge.cli.output.complaints import complain
from cdul_edge.cli.output.streams import data_stdout
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import atomic_write, refuse_existing
from cdul_edge_runtime.host.ownership import FileKind

if TYPE_CHECKING:
    from cdul_edge_runtime.bundle.classes import ClassList
    from cdul_edge_runtime.prediction import Prediction

Format = Literal["jsonl", "csv"]
_PARTIAL = ".partial"


def _holds_predictions(beginning: bytes) -> bool:
    first, _, _ = beginning.partition(b"\n")
    if first.startswith(b"image_path,"):
        return True
    try:
        row = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and {"path", "scores"} <= row.keys()


PREDICTIONS_FILE = FileKind("file of predictions", _holds_predictions)


@dataclass
class PredictionWriter:
    """Writes one line per picture, and lets each be read at once.

    Attributes:
        file: where the lines go.
        format: "jsonl" has path, labels and scores; "csv" a column of scores per class.
        classes: of every prediction.
        top: keep only so many of the highest scores; None keeps all.
        rows: how many were written.
    """

    file: TextIO
    format: Format
    classes: ClassList
    top: int | None = None
    rows: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.format == "csv":
            self._write_row(["image_path", *self.classes])

    def write(self, path: str, prediction: Prediction) -> None:
        """Write one picture's line."""
        plain = prediction.to_dict()
        if self.format == "csv":
            self._write_row([path, *plain["scores"].values()])
        else:
            if self.top is not None:
                plain["scores"] = dict(prediction.top(self.top))
            self.file.write(json.dumps({"path": path, **plain}, ensure_ascii=False) + "\n")
        self.file.flush()
        self.rows += 1  # now, and not before: a full disk took none of it, or half

    def _write_row(self, cells: list[str | float]) -> None:
        csv.writer(self.file, lineterminator="\n").writerow(cells)


@contextmanager
def open_predictions(
    out: Path | None, format: Format, classes: ClassList, top: int | None
) -> Iterator[PredictionWriter]:
    """Give a writer to a file, atomically, or to stdout where `out` is None.

    What is finished when the block is left by an error or an interruption is kept beside `out`
    under a name that says so.
    """
    if out is None:
        yield PredictionWriter(data_stdout(), format, classes, top)
        return
    with (
        atomic_write(out) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        writer = PredictionWriter(file, format, classes, top)
        try:
            yield writer
        except BaseException:
            if writer.rows:
                _keep(temporary, out, writer.rows)
            raise


def refuse_output(out: Path | None, *, force: bool, inputs: list[Path]) -> None:
    """Refuse a place where predictions cannot go, before anything is loaded.

    Raises:
        CdulEdgeError: `out` exists, or stdout is closed.
    """
    if out is None:
        data_stdout()
    else:
        refuse_existing(out, PREDICTIONS_FILE, force=force, inputs=inputs)


def _keep(temporary: Path, out: Path, rows: int) -> None:
    partial = out.with_name(out.name + _PARTIAL)
    try:
        refuse_existing(partial, PREDICTIONS_FILE, force=True)
        temporary.replace(partial)
    except (OSError, CdulEdgeError):  # too long a name, or a foreign file in its place
        partial = temporary.with_suffix(_PARTIAL)
        temporary.replace(partial)
    kept = "1 finished prediction is" if rows == 1 else f"{rows} finished predictions are"
    complain(f"{kept} kept in {partial}", style="yellow")

"""benchmarks/results/streams.json: rows that were measured together or one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.record import RESULTS
from benchmarks.rows import put_row, read_rows, write_rows
from benchmarks.streams.row import Figure

STREAMS_FILE = RESULTS / "streams.json"
COMMAND = "python -m benchmarks.streams"
PACKAGES = "cdul-edge numpy pillow cykooz-resizer onnxruntime av".split()


@dataclass(frozen=True)
class MeasuredRow:
    """A row of the file.

    Attributes:
        command: measures this row again.
        measured: when, in UTC.
        commit: that measured it.
        load: the one-minute load average before and after; empty where the system has none.
        not_measured: why there are no figures; empty where there are.
    """

    name: str
    title: str
    command: str
    measured: str
    commit: str
    machine: Mapping[str, object]
    versions: Mapping[str, str]
    load: tuple[float, ...] = ()
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    not_measured: str = ""

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {**asdict(self), "figures": [one.to_dict() for one in self.figures]}

    def find(self, key: str) -> Figure | None:
        """That figure; None where it was not measured."""
        return next((one for one in self.figures if one.key == key), None)


@dataclass(frozen=True)
class StreamsFile:
    """All rows by name."""

    rows: Mapping[str, MeasuredRow] = field(default_factory=dict)

    def with_row(self, row: MeasuredRow) -> StreamsFile:
        """The row in its place; a row that was measured stays where the new one was not."""
        return StreamsFile(put_row(self.rows, row))

    def write(self, path: Path, order: tuple[str, ...]) -> None:
        """Write the file; rows that `order` does not name come last."""
        write_rows(path, "streams", self.rows, order, threads=1)


def read_streams(path: Path) -> StreamsFile:
    """The file; one without rows where there is none.

    Raises:
        CdulEdgeError: a file of another kind, or a damaged one.
    """
    return read_rows(path, "streams", StreamsFile)

"""benchmarks/results/streams.json: rows that were measured together or one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.record import RESULTS
from benchmarks.streams.row import Figure
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.host.json_record import parse_record

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
        before = self.rows.get(row.name)
        if row.not_measured and before is not None and not before.not_measured:
            return self
        return StreamsFile({**self.rows, row.name: row})

    def write(self, path: Path, order: tuple[str, ...]) -> None:
        """Write the file; what holds for all stands at the top, from the row measured last."""
        names = [*(n for n in order if n in self.rows), *(n for n in self.rows if n not in order)]
        last = max(self.rows.values(), key=lambda row: row.measured)
        content = {
            "benchmark": "streams",
            "command": COMMAND,
            "measured": last.measured,
            "commit": last.commit,
            "machine": last.machine,
            "threads": 1,
            "versions": last.versions,
            "figures": {"rows": {name: self.rows[name].to_dict() for name in names}},
        }
        write_json(path, content)


def read_streams(path: Path) -> StreamsFile:
    """The file; one without rows where there is none.

    Raises:
        CdulEdgeError: a file of another kind, or a damaged one.
    """
    if not path.is_file():
        return StreamsFile()
    content = read_json(path)
    if not isinstance(content, dict) or content.get("benchmark") != "streams":
        raise CdulEdgeError(
            f"{path} is not a file of `{COMMAND}`: name another --out, or move it away"
        )
    try:
        return parse_record(StreamsFile, content.get("figures"), "figures")
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{path} is damaged ({error}): move it away") from error

"""benchmarks/results/peers.json: rows that were measured together or one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.peers.row import Comparison
from benchmarks.record import RESULTS
from benchmarks.rows import put_row, read_rows, write_rows

PEERS_FILE = RESULTS / "peers.json"
COMMAND = "python -m benchmarks.peers"
PACKAGES = (
    "cdul-edge numpy pillow cykooz-resizer onnxruntime openvino onnx torch torchvision timm "
    "open_clip_torch opencv-python-headless ultralytics transformers"
).split()


@dataclass(frozen=True)
class MeasuredRow:
    """A row of the file.

    Attributes:
        command: measures this row again.
        measured: when, in UTC.
        commit: that measured it.
        load: the one-minute load average before and after; empty where the system has none.
        seconds: that the row took, its preparation aside.
        not_measured: why there are no comparisons; empty where there are.
    """

    name: str
    title: str
    command: str
    measured: str
    commit: str
    threads: int
    rounds: int
    machine: Mapping[str, object]
    versions: Mapping[str, str]
    load: tuple[float, ...] = ()
    seconds: float | None = None
    comparisons: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()
    not_measured: str = ""

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {**asdict(self), "comparisons": [one.to_dict() for one in self.comparisons]}

    def find(self, key: str) -> Comparison | None:
        """That comparison; None where it was not made."""
        return next((one for one in self.comparisons if one.key == key), None)


@dataclass(frozen=True)
class PeersFile:
    """All rows by name, in the order of the last whole run."""

    rows: Mapping[str, MeasuredRow] = field(default_factory=dict)

    def with_row(self, row: MeasuredRow) -> PeersFile:
        """The row in its place; a row that was measured stays where the new one was not."""
        return PeersFile(put_row(self.rows, row))

    def find(self, row: str, key: str) -> Comparison | None:
        """That comparison of that row; None where it was not made."""
        found = self.rows.get(row)
        return None if found is None else found.find(key)

    def write(self, path: Path, order: tuple[str, ...]) -> None:
        """Write the file; rows that `order` does not name come last."""
        threads = max(self.rows.values(), key=lambda row: row.measured).threads
        write_rows(path, "peers", self.rows, order, threads)


def read_peers(path: Path) -> PeersFile:
    """The file; one without rows where there is none.

    Raises:
        CdulEdgeError: a file of another kind, or a damaged one.
    """
    return read_rows(path, "peers", PeersFile)

"""A result file of rows that were measured together or one by one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.host.json_record import RecordError, parse_record


class Finding(Protocol):
    """One figure, or two sides of one."""

    @property
    def key(self) -> str:
        """Its name within the row."""

    def told(self) -> str:
        """A line for the terminal."""


Found = TypeVar("Found", bound=Finding)


@dataclass(frozen=True, kw_only=True)
class MeasuredRow(ABC, Generic[Found]):
    """A row of the file; each benchmark adds the field of what it found.

    Attributes:
        command: measures this row again.
        measured: when, in UTC.
        commit: that measured it.
        load: the one-minute load average before and after; empty where the system has none.
        seconds: that the row took, its preparation aside.
        not_measured: why nothing was found; empty where something was.
    """

    name: str
    title: str
    command: str
    measured: str
    commit: str
    threads: int = 1
    rounds: int | None = None
    machine: Mapping[str, object]
    versions: Mapping[str, str]
    load: tuple[float, ...] = ()
    seconds: float | None = None
    notes: tuple[str, ...] = ()
    not_measured: str = ""

    @property
    @abstractmethod
    def findings(self) -> tuple[Found, ...]:
        """What was found."""

    def find(self, key: str) -> Found | None:
        """That finding; None where there is none."""
        return next((one for one in self.findings if one.key == key), None)

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class RowsFile(Generic[Found]):
    """All rows by name, in the order of the last whole run."""

    rows: Mapping[str, MeasuredRow[Found]] = field(default_factory=dict)

    def with_row(self, row: MeasuredRow[Found]) -> RowsFile[Found]:
        """The row in its place; a row that was measured stays where the new one was not."""
        before = self.rows.get(row.name)
        if row.not_measured and before is not None and not before.not_measured:
            return self
        return RowsFile({**self.rows, row.name: row})

    def find(self, row: str, key: str) -> Found | None:
        """That finding of that row; None where there is none."""
        found = self.rows.get(row)
        return None if found is None else found.find(key)

    def drawn_notes(self) -> list[str]:
        """A Markdown list of what rows add, each once; nothing where none adds anything."""
        notes = dict.fromkeys(f"- {note}" for row in self.rows.values() for note in row.notes)
        return ["\n".join(notes)] if notes else []

    def write(self, path: Path, name: str, command: str, order: tuple[str, ...]) -> None:
        """Write the file; rows that `order` does not name come last.

        What holds for all rows stands at the top, as in the other result files, taken from the row
        that was measured last; each row says what was true of it.
        """
        names = [*(n for n in order if n in self.rows), *(n for n in self.rows if n not in order)]
        last = max(self.rows.values(), key=lambda row: row.measured)
        content = {
            "benchmark": name,
            "command": command,
            "measured": last.measured,
            "commit": last.commit,
            "machine": last.machine,
            "threads": last.threads,
            "versions": last.versions,
            "figures": {"rows": {name: self.rows[name].to_dict() for name in names}},
        }
        write_json(path, content)


def read_rows(
    path: Path, name: str, command: str, kept: type[MeasuredRow[Found]]
) -> RowsFile[Found]:
    """The file of that benchmark; one without rows where there is none.

    Raises:
        CdulEdgeError: a file of another kind, or a damaged one.
    """
    if not path.is_file():
        return RowsFile()
    content = read_json(path)
    if not isinstance(content, dict) or content.get("benchmark") != name:
        raise CdulEdgeError(
            f"{path} is not a file of `{command}`: name another --out, or move it away"
        )
    try:
        return RowsFile(_parse_rows(content.get("figures"), kept))
    except RecordError as error:
        raise CdulEdgeError(f"{path} is damaged ({error}): move it away") from error


def _parse_rows(figures: object, kept: type[MeasuredRow[Found]]) -> dict[str, MeasuredRow[Found]]:
    rows = figures.get("rows") if isinstance(figures, dict) else None
    if not isinstance(rows, dict):
        raise RecordError("figures.rows is not an object")
    return {name: parse_record(kept, row, f"figures.rows.{name}") for name, row in rows.items()}

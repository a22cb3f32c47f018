"""What benchmarks share that measure row by row: a process for each, and one file for all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Protocol, TypeVar

from benchmarks.gpu.roots import ROOT
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.host.json_record import parse_record


class Named(Protocol):
    """A row that can be asked for."""

    @property
    def name(self) -> str: ...


class MeasuredRow(Named, Protocol):
    """A row of a result file; what it says of the machine was true when it was measured."""

    @property
    def measured(self) -> str: ...

    @property
    def commit(self) -> str: ...

    @property
    def machine(self) -> Mapping[str, object]: ...

    @property
    def versions(self) -> Mapping[str, str]: ...

    @property
    def not_measured(self) -> str: ...

    def to_dict(self) -> dict[str, object]: ...


NamedRow = TypeVar("NamedRow", bound=Named)
FileRow = TypeVar("FileRow", bound=MeasuredRow)
File = TypeVar("File")


def find_named(rows: Sequence[NamedRow], names: Sequence[str]) -> tuple[NamedRow, ...]:
    """The rows of these names in their order; all of them without names.

    Raises:
        CdulEdgeError: a name that no row has.
    """
    known = [row.name for row in rows]
    for name in names:
        if name not in known:
            raise CdulEdgeError(f"no row is called {name!r}: expected {', '.join(known)}")
    return tuple(row for row in rows if not names or row.name in names)


def put_row(rows: Mapping[str, FileRow], row: FileRow) -> dict[str, FileRow]:
    """The row in its place; a row that was measured stays where the new one was not."""
    before = rows.get(row.name)
    if row.not_measured and before is not None and not before.not_measured:
        return dict(rows)
    return {**rows, row.name: row}


def write_rows(
    path: Path, benchmark: str, rows: Mapping[str, FileRow], order: Sequence[str], threads: int
) -> None:
    """Write the file; rows that `order` does not name come last.

    What holds for all rows stands at the top, as in the other result files, taken from the row that
    was measured last; each row says what was true of it.
    """
    names = [*(n for n in order if n in rows), *(n for n in rows if n not in order)]
    last = max(rows.values(), key=lambda row: row.measured)
    content = {
        "benchmark": benchmark,
        "command": f"python -m benchmarks.{benchmark}",
        "measured": last.measured,
        "commit": last.commit,
        "machine": last.machine,
        "threads": threads,
        "versions": last.versions,
        "figures": {"rows": {name: rows[name].to_dict() for name in names}},
    }
    write_json(path, content)


def read_rows(path: Path, benchmark: str, kind: type[File]) -> File:
    """The figures of the file as a `kind`; one without rows where there is no file.

    Raises:
        CdulEdgeError: a file of another benchmark, or a damaged one.
    """
    if not path.is_file():
        return kind()
    content = read_json(path)
    if not isinstance(content, dict) or content.get("benchmark") != benchmark:
        raise CdulEdgeError(
            f"{path} is not a file of `python -m benchmarks.{benchmark}`: name another --out, or "
            "move it away"
        )
    try:
        return parse_record(kind, content.get("figures"), "figures")
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{path} is damaged ({error}): move it away") from error


def run_child(
    words: Sequence[str], environment: Mapping[str, str], limit_s: float, remedy: str = ""
) -> None:
    """Run a module of the benchmarks to its end; stdout stays this program's own.

    Raises:
        CdulEdgeError: it failed, or was stopped.
    """
    command = [sys.executable, "-m", *words]
    try:
        run = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=sys.stderr.fileno(), timeout=limit_s
        )
    except subprocess.TimeoutExpired as error:
        raise CdulEdgeError(f"it was stopped after {limit_s:g} s{remedy}") from error
    if run.returncode:
        raise CdulEdgeError(f"it ended with status {run.returncode}; what it said stands above")


def load_average() -> tuple[float, ...]:
    """Of the last minute; empty where the system tells none."""
    try:
        return (round(os.getloadavg()[0], 2),)
    except (AttributeError, OSError):  # Windows has none
        return ()


def exit_status(measure: Callable[[], int]) -> int:
    """Of a benchmark whose rows are kept as soon as they end, also by Ctrl-C and SIGTERM."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        return measure()
    except (CdulEdgeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: the rows that ended are kept", file=sys.stderr)
        return 130


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt

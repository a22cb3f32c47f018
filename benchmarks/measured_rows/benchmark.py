"""A benchmark made of rows."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import Generic

from benchmarks.measured_rows.result_file import Finding, Found, MeasuredRow, RowsFile, read_rows
from benchmarks.measured_rows.row import Measured, Row, Setting
from benchmarks.record import RESULTS
from cdul_edge_runtime.errors import CdulEdgeError


@dataclass(frozen=True)
class Benchmark(Generic[Found]):
    """What makes one benchmark another than the next.

    Attributes:
        package: that holds it; its `rows.py` has it as BENCHMARK.
        rows: all of them, in the order in which they run.
        setting: how its rows are measured, with the options for that.
        kept: what its file keeps of a row.
        packages: whose versions stand in the file.
        rounds: that are measured where nobody says how many.
        limit_s: that a row may take where nobody says how long.
    """

    package: str
    rows: tuple[Row, ...]
    setting: type[Setting]
    kept: type[MeasuredRow[Found]]
    packages: tuple[str, ...]
    rounds: int
    limit_s: float

    @property
    def name(self) -> str:
        """Of its result file."""
        return self.package.rpartition(".")[2]

    @property
    def command(self) -> str:
        """Measures every row."""
        return f"python -m {self.package}"

    @property
    def file(self) -> Path:
        """The result file, unless --out names another."""
        return RESULTS / f"{self.name}.json"

    def find_rows(self, names: tuple[str, ...]) -> tuple[Row, ...]:
        """The rows of these names in their order; all of them without names.

        Raises:
            CdulEdgeError: a name that no row has.
        """
        known = [row.name for row in self.rows]
        for name in names:
            if name not in known:
                raise CdulEdgeError(f"no row is called {name!r}: expected {', '.join(known)}")
        return tuple(row for row in self.rows if not names or row.name in names)

    def measure(self, row: Row, setting: Setting) -> Measured:
        """Measure it in this process."""
        found: Measured = resolve_name(f"{self.package}.{row.measuring}")(setting)
        return found

    def prepare(self, row: Row, setting: Setting) -> None:
        """Do in this process what comes before it."""
        if row.preparing:
            resolve_name(f"{self.package}.{row.preparing}")(setting)

    def read(self, path: Path) -> RowsFile[Found]:
        """A result file; one without rows where there is none.

        Raises:
            CdulEdgeError: a file of another kind, or a damaged one.
        """
        return read_rows(path, self.name, self.command, self.kept)

    def write(self, path: Path, kept: RowsFile[Found]) -> None:
        """Write a result file, its rows in the order in which they run."""
        kept.write(path, self.name, self.command, tuple(row.name for row in self.rows))


def load_benchmark(package: str) -> Benchmark[Finding]:
    """The benchmark of that package."""
    found: Benchmark[Finding] = import_module(f"{package}.rows").BENCHMARK
    return found

"""What it takes to make a page: a process of its own, the program's imports and all."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path
from time import perf_counter
from typing import Literal

import cdul_edge  # noqa: F401 - `child_command` looks where it lies
from benchmarks.measured_rows.figures import Measured, at_most
from benchmarks.measured_rows.row import Setting
from benchmarks.report.labels import MILLION, MILLION_CLASSES, count_pictures, find_labels
from cdul_edge.reporting.request import ReportResult
from cdul_edge.reviewing.request import ReviewResult
from cdul_edge_runtime.host.child_python import child_command, child_environment
from cdul_edge_runtime.host.machine import peak_memory_mib

PEAK = "the peak is the process's largest resident set, imports and all"
Verb = Literal["report", "review"]
_MAKE = "import sys; from benchmarks.report.making import make; make(*sys.argv[1:])"


@dataclass(frozen=True)
class Made:
    """One page.

    Attributes:
        page: the HTML file.
        seconds: from the call to the written file.
        peak_mb: largest resident set of the process.
        pictures: how many it embeds.
        missing: how many it would have shown, had they been found.
    """

    page: Path
    seconds: float
    peak_mb: float
    pictures: int
    missing: int


def make_page(
    verb: Verb, labels: Path, out: Path, environment: Mapping[str, str] | None = None
) -> Made:
    """Make one in a process that does nothing else, in the folder that it is written to."""
    run = subprocess.run(
        child_command(_MAKE, verb, str(labels), out.name),
        env={**child_environment(), **(environment or {})},
        cwd=out.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    return Made(out, *json.loads(run.stdout.splitlines()[-1]))


def make(verb: Verb, labels: str, out: str) -> None:
    """The child's end."""
    start = perf_counter()
    made = (
        _report(Path(labels), Path(out)) if verb == "report" else _review(Path(labels), Path(out))
    )
    seconds = perf_counter() - start
    print(json.dumps([seconds, peak_memory_mib() or nan, made.pictures, made.missing]))


def _report(labels: Path, out: Path) -> ReportResult:
    from cdul_edge import report

    return report(inputs=(labels,), out=out, force=True)


def _review(labels: Path, out: Path) -> ReviewResult:
    from cdul_edge import review

    return review(labels=labels, out=out, force=True)


def measure_million(setting: Setting) -> Measured:
    """10^6 images and 80 classes."""
    labels = find_labels(setting, MILLION, MILLION_CLASSES)
    runs = [
        make_page("report", labels, setting.work / "million.html") for _ in range(setting.rounds)
    ]
    title = f"report of {count_pictures(setting, MILLION):,} x {MILLION_CLASSES}"
    size = runs[0].page.stat().st_size / 1e6
    return Measured(
        (
            at_most(1000, "peak", f"{title}: peak memory", "MB", *(one.peak_mb for one in runs)),
            at_most(180, "time", f"{title}: time", "s", *(one.seconds for one in runs)),
            at_most(5, "size", f"{title}: size", "MB", size),
        ),
        (PEAK,),
    )


def differing_bytes(one: Path, other: Path) -> int:
    """How many bytes of two files are not the same."""
    left, right = one.read_bytes(), other.read_bytes()
    differing = sum(a != b for a, b in zip(left, right, strict=False))
    return differing + abs(len(left) - len(right))


def other_surroundings() -> dict[str, str]:
    """What may differ between two people who make the same report."""
    return {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C", "COLUMNS": "40", "HOME": "/"}

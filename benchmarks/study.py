"""Every training method, labeling strategy and a few levels of observed labels, side by side.

`cdul-edge study` on drawn worlds, three seeds, with the demo's student. A study that was cut off
goes on. With `--docs` the charts of docs/methods.md and the tables of benchmarks/README.md are
drawn again.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from benchmarks.record import record
from benchmarks.tables.pages import write_pages
from cdul_edge.study import DrawnWorld, StudyRequest, study
from cdul_edge.study.report.report import Report
from cdul_edge.training.config import METHODS
from cdul_edge_runtime.host.console import StderrConsole

DOCS = Path(__file__).parents[1] / "docs"

STRATEGIES = (
    *("default", "global", "average", "max", "cdul"),
    *("cdul-center", "cdul-sparc", "cosine-mean", "overlap"),
)
METHOD_NAMES = (
    *METHODS,
    *("fixed-hard", "cdul-hard", "cdul-no-gaussian", "cdul-paper", "vlpl+negatives"),
)
# Those that were made for labels of which a part is known, and what they are held against.
OBSERVED_METHODS = (
    *("fixed", "cdul", "partial-bce", "role", "em", "em-apl", "ll-r"),
    *("vlpl", "plmcl", "g2netpl", "pu-mlc"),
)
# 96 px is what the drawn things need: the same work spent at 48 to 80 px on more pictures or
# epochs left the student of fixed labels far behind.
SIDE_PX = 96
# Half the preset's: some methods, such as `em` and `wan`, need steps more than pictures. With 6
# epochs instead of 10 they are far behind.
BATCH_SIZE = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="the study's folder")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--world", type=int, nargs=2, default=[600, 300])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="+", default=METHOD_NAMES)
    parser.add_argument("--observed", nargs="+", default=["none", "10%", "50%"])
    parser.add_argument("--observed-methods", nargs="+", default=OBSERVED_METHODS)
    parser.add_argument("--docs", action="store_true", help="draw charts and tables again")
    options = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # two jobs must not wait by spinning
    request = StudyRequest(
        out=options.work,
        data=DrawnWorld(*options.world),
        strategies=STRATEGIES,
        methods=tuple(options.methods),
        observed=tuple(options.observed),
        observed_methods=tuple(options.observed_methods),
        seeds=tuple(options.seeds),
        preset="demo",
        options={
            "epochs": options.epochs,
            "height_px": SIDE_PX,
            "width_px": SIDE_PX,
            "batch_size": BATCH_SIZE,
        },
        jobs=options.jobs,
        threads=options.threads,
        device="cpu",
    )
    report = study(request, StderrConsole()).report
    record("study", summarize(report), threads=options.threads)
    if options.docs:
        draw_docs(options.work)


def summarize(report: Report) -> dict[str, Any]:
    """What is kept: the report without each cell's settings, curves and classes."""
    dropped = ("settings", "curve", "labels_curve", "ap", "labels_digest")
    cells = [
        {key: _round(value) for key, value in outcome.to_dict().items() if key not in dropped}
        for outcome in report.outcomes
    ]
    return {**report.to_dict(), "cells": cells}


def draw_docs(work: Path) -> None:
    """Copy the charts that docs/methods.md shows, and draw the tables of benchmarks/README.md."""
    for name in ("methods", "strategies", "curves"):
        text = (work / f"{name}.svg").read_text(encoding="utf-8")
        (DOCS / f"study-{name}.svg").write_text(text, encoding="utf-8")
    write_pages()


def _round(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value


if __name__ == "__main__":
    main()

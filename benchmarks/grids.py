"""Snippets that overlap against snippets that do not, at what they cost: forward passes a picture.

Three drawn worlds are labeled by the bundled CLIP with every grid; mAP of the labels by the
default strategy and by CDUL's. A grid of R x C snippets costs 1 + R C forward passes, whatever the
overlap, so that rows of the same cost compare with one another.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drawn_stores import DrawnStore, judge, paint_sets
from benchmarks.record import record
from cdul_edge.labelling import Scoring
from cdul_edge.labelling.decode.views import Views

PICTURES, SEEDS = 600, 3
GRIDS = (
    *(Views(2, 2, overlap) for overlap in (0.0, 0.25, 0.5)),
    *(Views(3, 3, overlap) for overlap in (0.0, 0.25, 0.5)),
    *(Views(4, 4, overlap) for overlap in (0.0, 0.25, 0.5)),
    *(Views(5, 5, overlap) for overlap in (0.0, 0.25, 0.5)),
)


def measure(folder: Path) -> dict[str, Any]:
    sets = paint_sets(folder, PICTURES, SEEDS)
    rows = []
    for views in GRIDS:
        found: dict[str, list[float]] = {"evidence": [], "cdul": []}
        for one in sets:
            drawn = DrawnStore(one, views)
            found["evidence"].append(judge(drawn.label(Scoring()), drawn.truth_file)["map"])
            found["cdul"].append(judge(drawn.label(Scoring("cdul")), drawn.truth_file)["map"])
        row = {
            "grid": views.grid,
            "overlap": views.overlap,
            "forwards": 1 + views.rows * views.columns,
            "side": round(largest_side(views), 3),
            **{f"map_{name}": round(float(np.mean(maps)), 2) for name, maps in found.items()},
            **{f"map_{name}_of_seeds": maps for name, maps in found.items()},
        }
        rows.append(row)
        print({key: value for key, value in row.items() if "seeds" not in key})
    return {"pictures": PICTURES, "seeds": SEEDS, "grids": rows}


def largest_side(views: Views) -> float:
    """Of any snippet, against the picture's: those at its border do not reach beyond it."""
    size_px = 3600
    _, *snippets = views.boxes(size_px, size_px)
    return max(right - left for left, _, right, _ in snippets) / size_px


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="recorded; CLIP takes all cores")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures = measure(Path(name))
    record("grids", figures, threads=options.threads)


if __name__ == "__main__":
    main()

"""Another strategy, zeta or temperature on a finished store: seconds of the whole command.

5,717 small pictures (as many as VOC 2012's training set) are labeled once with the bundled CLIP;
then `cdul-edge label` is started again and again with other settings, as a user would, the start of
Python included. Each run must say that CLIP is not run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.record import record
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.child_python import module_command

PICTURES = 5717
VOC_CLASSES = (
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike "
    "person pottedplant sheep sofa train tvmonitor"
).split()
CHANGES = {
    "strategy": ["--strategy", "max"],
    "zeta": ["--strategy", "cdul", "--zeta", "0.35"],
    "temperature": ["--strategy", "cdul", "--temperature", "0.03"],
    "evidence": ["--strategy", "evidence"],  # the default reads the whole set
    "average, pooled": ["--strategy", "average", "--fusion", "pooled"],
}


def paint_small_pictures(folder: Path, count: int) -> None:
    """A hundred different JPEGs of 48 x 36 px, each under many names."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for index in range(count):
        file = folder / f"{index:06}.jpg"
        if index < 100:
            pixels = rng.integers(0, 256, (36, 48, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(file)
        else:
            os.link(folder / f"{index % 100:06}.jpg", file)


def label(folder: Path, *more: str) -> tuple[float, str]:
    """Run the command; returns its seconds and what it said."""
    command: list[str | Path] = [*module_command("cdul_edge.cli"), "label"]
    command += [folder / "pictures", "--classes", folder / "classes.txt", "--clip", "demo"]
    command += ["--out", folder / "labels", *more]
    start = perf_counter()
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return perf_counter() - start, run.stderr


def measure(repeats: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paint_small_pictures(folder / "pictures", PICTURES)
        (folder / "classes.txt").write_text("\n".join(VOC_CLASSES))
        first, _ = label(folder)
        seconds: dict[str, list[float]] = {change: [] for change in CHANGES}
        for _ in range(repeats):
            for change, options in CHANGES.items():
                taken, said = label(folder, *options)
                if "CLIP is not run" not in said:
                    raise CdulEdgeError(f"CLIP ran again for another {change}")
                seconds[change].append(round(taken, 3))
    return {
        "pictures": PICTURES,
        "classes": len(VOC_CLASSES),
        "first_run_seconds": round(first, 1),
        "again_seconds_median": {k: round(median(v), 3) for k, v in seconds.items()},
        "again_seconds_worst": max(max(v) for v in seconds.values()),
        "again_seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="recorded; the command takes all")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    figures = measure(options.repeats)
    print({k: v for k, v in figures.items() if k != "again_seconds"})
    record("relabelling", figures, threads=options.threads)


if __name__ == "__main__":
    main()

"""Seconds and peak memory of the cheap half, from a finished store of drawn cosines to labels.

Each run is a process of its own: what `cdul-edge label` does after CLIP, thresholds and files
included.
"""

from __future__ import annotations

import json
import subprocess
import sys
from math import nan
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.measured_rows.figures import Figure, Measured, at_most, stated
from benchmarks.measured_rows.row import Setting
from benchmarks.scale.synthetic_store import make_store
from cdul_edge.labelling.score.scoring import Scoring
from cdul_edge.labelling.write_labels import Effort, write_labels
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.host.machine import peak_memory_mib

MANY, FEW, CLASSES = 1_000_000, 100_000, 80
WIDE, WIDE_CLASSES = 20_000, 1000


def measure_finish(setting: Setting) -> Measured:
    """Peaks at 10^5 and 10^6 pictures of 80 classes; peak and time at 20,000 of 1,000."""
    share = 100 if setting.quick else 1
    few, many = (
        _middle(_measure(setting, n // share, CLASSES, setting.rounds)) for n in (FEW, MANY)
    )
    wide = _measure(setting, WIDE // share, WIDE_CLASSES, setting.rounds)
    growth = 100 * (many[1] / few[1] - 1)
    million, title = "evidence, 10^6 x 80", "evidence, 20,000 x 1,000"
    figures: tuple[Figure, ...] = (
        stated("few-peak", "evidence, 10^5 x 80: peak memory", "MB", few[1]),
        stated("few-time", "evidence, 10^5 x 80: time", "s", few[0]),
        at_most(1500, "many-peak", f"{million}: peak memory", "MB", many[1]),
        at_most(10, "growth", f"{million}: growth of the peak from 10^5", "%", growth),
        stated("many-time", f"{million}: time", "s", many[0]),
        at_most(800, "wide-peak", f"{title}: peak memory", "MB", max(run[1] for run in wide)),
        at_most(20, "wide-time", f"{title}: time", "s", median(run[0] for run in wide)),
    )
    return Measured(figures, ("the peak is a process's largest resident set, imports and all",))


def _middle(runs: list[tuple[float, float]]) -> tuple[float, float]:
    """Median seconds and MB: what the allocator keeps differs from run to run."""
    return median(run[0] for run in runs), median(run[1] for run in runs)


def _measure(
    setting: Setting, pictures: int, classes: int, rounds: int
) -> list[tuple[float, float]]:
    """Seconds and MB of each round."""
    folder = setting.work / f"{pictures}x{classes}"
    make_store(folder, pictures, classes)
    return [_run(folder, pictures, classes) for _ in range(rounds)]


def _run(folder: Path, pictures: int, classes: int) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.scale.finish", str(folder)]
    command += [str(pictures), str(classes)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, peak = json.loads(run.stdout.splitlines()[-1])
    return float(seconds), float(peak)


def main() -> None:
    """Finish one store, in a process that does nothing else."""
    folder, pictures, classes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    manifest = make_store(folder, pictures, classes)
    start = perf_counter()
    write_labels(folder, manifest, Scoring(), Effort(), SilentConsole())
    seconds = perf_counter() - start
    print(json.dumps([round(seconds, 2), round(peak_memory_mib() or nan, 1)]))


if __name__ == "__main__":
    main()

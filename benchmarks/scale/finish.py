"""Seconds and peak memory of the cheap half, from a finished store of drawn cosines to labels.

Each row is one process: `score` fits a strategy to the store and scores every part; `finish` is
what `cdul-edge label` does after CLIP, thresholds and files included. The peak is the process's
largest resident set, imports and all.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.record import record
from benchmarks.scale.synthetic_store import make_store
from cdul_edge.labelling.score.choices import Strategy
from cdul_edge.labelling.score.score_store import choose_scorer
from cdul_edge.labelling.score.scoring import Scoring
from cdul_edge.labelling.store.reader import StoreReader
from cdul_edge.labelling.write_labels import Effort, write_labels
from cdul_edge.labels.manifest import LabelsManifest
from cdul_edge_runtime.host.console import SilentConsole

SIZES = ((100_000, 20), (100_000, 80), (1_000_000, 80), (20_000, 1000))
STRATEGIES: tuple[Strategy, ...] = ("cdul", "evidence")


def measure(folder: Path, manifest: LabelsManifest, step: str, scoring: Scoring) -> dict[str, Any]:
    """In this process, which must have done nothing else."""
    seconds: dict[str, float] = {}
    start = perf_counter()
    if step == "finish":
        write_labels(folder, manifest, scoring, Effort(), SilentConsole())
    else:
        store = StoreReader(folder, manifest.similarities.parts)
        fitted = choose_scorer(scoring, manifest.similarities).fit(store, manifest.classes)
        seconds["fit_s"] = round(perf_counter() - start, 1)
        for index in range(store.parts):
            fitted.apply(store, index)
    seconds["s"] = round(perf_counter() - start, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**seconds, "peak_mb": round(peak)}


def measure_all(
    work: Path, sizes: list[tuple[int, int]], steps: list[str], strategies: list[str], repeats: int
) -> list[dict[str, Any]]:
    """One row a size, step and strategy: the median of the seconds, the largest peak."""
    rows = []
    for pictures, classes in sizes:
        folder = work / f"{pictures}x{classes}"
        make_store(folder, pictures, classes)
        for step in steps:
            for strategy in strategies:
                runs = [_run(folder, pictures, classes, step, strategy) for _ in range(repeats)]
                runs.sort(key=lambda run: float(run["s"]))
                found = {**runs[len(runs) // 2], "peak_mb": max(run["peak_mb"] for run in runs)}
                row = {"pictures": pictures, "classes": classes, "step": step}
                rows.append({**row, "strategy": strategy, **found})
                print(json.dumps(rows[-1]), flush=True)
    return rows


def _run(folder: Path, pictures: int, classes: int, step: str, strategy: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.scale.finish", "--only", step]
    command += ["--work", str(folder), "--size", f"{pictures}x{classes}", "--strategy", strategy]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="where the stores go, and stay")
    parser.add_argument("--size", action="append", help="pictures x classes, such as 100000x80")
    parser.add_argument("--step", action="append", choices=("score", "finish"))
    parser.add_argument("--strategy", action="append", choices=("cdul", "evidence"))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="recorded; all cores are taken")
    parser.add_argument("--only", choices=("score", "finish"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [_size(text) for text in options.size] if options.size else list(SIZES)
    strategies = options.strategy or list(STRATEGIES)
    if options.only:
        manifest = make_store(options.work, *sizes[0])
        scoring = Scoring(strategies[0])
        print(json.dumps(measure(options.work, manifest, options.only, scoring)))
        return
    steps = options.step or ["score", "finish"]
    rows = measure_all(options.work, sizes, steps, strategies, options.repeats)
    record("scale_finish", {"rows": rows}, threads=options.threads)


def _size(text: str) -> tuple[int, int]:
    pictures, classes = text.split("x")
    return int(pictures), int(classes)


if __name__ == "__main__":
    main()

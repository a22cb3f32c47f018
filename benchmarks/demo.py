"""What `make demo` gives, over seeds: the table's mAPs, its minutes and its latencies."""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.record import record
from cdul_edge_runtime.host.child_python import module_command

# What the demo promises, in points of mAP and seconds.
LIMITS = {"pseudo_labels_over_global": 15.0, "student_over_pseudo_labels": 3.0, "seconds": 300.0}
# What a precision may cost the student: points of mAP, and percent of decisions.
PRECISION_LIMITS = {
    "fp16": {"map_change": 0.1, "flips_percent": 0.2},
    "int8": {"map_change": 0.5, "flips_percent": 1.5},
    "int8-cpu": {"map_change": 0.5, "flips_percent": 1.5},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--supervised", action="store_true", help="train the upper bound too")
    options = parser.parse_args()
    runs = [run_demo(seed, options.supervised) for seed in options.seeds]
    record("demo", {**summarize(runs), "runs": runs}, threads=options.threads)


def run_demo(seed: int, supervised: bool) -> dict[str, Any]:
    """One `cdul-edge demo` in a process of its own, as a user starts it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "demo")
        command = [*module_command("cdul_edge.cli"), "demo", "--out", str(out)]
        more = ["--supervised"] if supervised else []
        subprocess.run([*command, "--seed", str(seed), *more], check=True)
        report: dict[str, Any] = json.loads((out / "demo.json").read_text(encoding="utf-8"))
    kept = ("map", "precisions", "latency_ms", "seconds", "stage_seconds")
    return {"seed": seed, **{name: report[name] for name in kept}}


def summarize(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Means and standard deviations over the seeds, beside the limits."""
    accuracy = {name: [run["map"][name] for run in runs] for name in runs[0]["map"]}
    means = {name: mean(values) for name, values in accuracy.items()}
    found = {
        "pseudo_labels_over_global": means["pseudo_labels"] - means["global"],
        "student_over_pseudo_labels": means["student_heldout"] - means["pseudo_labels"],
        "seconds": max(run["seconds"] for run in runs),
    }
    return {
        "map_mean": {name: round(value, 2) for name, value in means.items()},
        "map_stdev": {n: round(stdev(v), 2) for n, v in accuracy.items() if len(v) > 1},
        "found": {name: round(value, 2) for name, value in found.items()},
        "limits": LIMITS,
        "precisions": {name: worst_cost(runs, name) for name in PRECISION_LIMITS},
        "precision_limits": PRECISION_LIMITS,
    }


def worst_cost(runs: list[dict[str, Any]], precision: str) -> dict[str, float]:
    """The largest absolute change of mAP and the most flips over the seeds."""
    rows = [run["precisions"][precision] for run in runs]
    return {
        "map_change": max(abs(row["map_change"]) for row in rows),
        "flips_percent": max(row["flips_percent"] for row in rows),
    }


if __name__ == "__main__":
    main()

"""Every training method under several ranks, against one process.

The same short run, a small network with group norms, or with batch norms that are kept still, on 97
random pictures in batches of 14 and 13, four epochs in which the labels are revised, with one
process and with two and three ranks (torchrun and gloo, on this machine's CPU). The figures are the
largest differences of a weight, of a label, and of an epoch's loss from those of one process;
`labels_apart` is how far the ranks' own copies of the labels are from one another, and `moved` how
far the weight that moved most went. `resumed` is the largest difference of a weight where one
process goes on from the ranks' checkpoint half-way.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measured_rows.figures import Measured, at_most, stated
from benchmarks.measured_rows.row import Setting
from benchmarks.record import record, shorten
from benchmarks.scale.rank_runs import (
    BATCH,
    CASES,
    EPOCHS,
    PICTURES,
    furthest,
    load,
    resume,
    run_all,
)
from cdul_edge.training.ranks import ALONE

COUNTS = (2, 3)
_PATIENCE_S = 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    options = parser.parse_args()
    figures = measure(options.cases)
    for name, rows in figures["cases"].items():
        print(name, rows)
    record("scale_ranks", figures, threads=1)


def measure_ranks(setting: Setting) -> Measured:
    """Every method and every case, against one process."""
    names = list(CASES)[:1] if setting.quick else list(CASES)
    found: dict[str, Any] = measure(names)["cases"]
    rows = [row[f"ranks_{count}"] for row in found.values() for count in COUNTS]
    whats = {
        "weights": "a weight",
        "labels": "a label",
        "losses": "an epoch's loss",
        "resumed": "a weight after one process goes on",
    }
    worst = {key: max(row[key] for row in rows) for key in whats}
    losses = worst.pop("losses")
    title = f"{len(names)} cases, two and three ranks"
    figures = [
        at_most(1e-6, key, f"{title}: {whats[key]} differs by", "", value)
        for key, value in worst.items()
    ]
    figures.append(stated("losses", f"{title}: {whats['losses']} differs by", "", losses))
    return Measured(tuple(figures), ("each case: `python -m benchmarks.scale.ranks`",))


def measure(names: list[str]) -> dict[str, Any]:
    """The differences of each case, by its name and the number of ranks."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        run_all(names, ALONE, folder)
        for count in COUNTS:
            run_ranks(count, names, folder)
        found = {name: report(folder, name) for name in names}
    return {
        "pictures": PICTURES,
        "batch": BATCH,
        "epochs": EPOCHS,
        "network": "two convolutions with norms",
        "largest": max(
            rows[f"ranks_{count}"]["weights"] for rows in found.values() for count in COUNTS
        ),
        "cases": found,
    }


def run_ranks(count: int, names: list[str], folder: Path) -> None:
    """Let `count` processes train with each of the cases."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    work = ["-m", "benchmarks.scale.rank_runs", str(folder), *names]
    subprocess.run([sys.executable, *launch, *work], check=True, timeout=_PATIENCE_S)


def report(folder: Path, name: str) -> dict[str, Any]:
    """A case's rows."""
    rows = {f"ranks_{count}": compare(folder, name, count) for count in COUNTS}
    return {"moved": shorten(load(folder, name).moved), **rows}


def compare(folder: Path, name: str, count: int) -> dict[str, float]:
    """Largest differences of `count` ranks from one process."""
    alone = load(folder, name)
    every = [load(folder, name, count, number) for number in range(count)]
    first = every[0]
    losses = zip(first.losses, alone.losses, strict=True)
    return {
        "weights": shorten(furthest(first.weights, alone.weights)),
        "labels": shorten(float((first.targets - alone.targets).abs().max())),
        "losses": shorten(max(abs(one - other) for one, other in losses)),
        "resumed": shorten(
            furthest(resume(CASES[name], folder / f"{name}-{count}").weights, alone.weights)
        ),
        "labels_apart": max(float((one.targets - first.targets).abs().max()) for one in every),
    }


if __name__ == "__main__":
    main()

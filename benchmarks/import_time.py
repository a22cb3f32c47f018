"""How long a fresh process takes to import the front door, and to answer `cdul-edge --help`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from statistics import median

from benchmarks.record import interleave, record

COMMANDS = {
    "python_alone": ["-c", "pass"],
    "import_cdul_edge": ["-c", "import cdul_edge"],
    "import_classifier": ["-c", "from cdul_edge import Bundle, Classifier, Prediction"],
    "import_cdul_edge_runtime": ["-c", "import cdul_edge_runtime.classifier"],
    "cdul_edge_help": ["-m", "cdul_edge.cli", "--help"],
}
LIMITS_S = {"import_cdul_edge": 0.3, "import_cdul_edge_runtime": 0.3, "cdul_edge_help": 1.0}


def run_once(words: list[str]) -> None:
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="taken, and without effect")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    calls: dict[str, Callable[[], object]] = {
        name: partial(run_once, words) for name, words in COMMANDS.items()
    }
    interleave(calls, 2)  # bytecode and disk caches
    seconds = interleave(calls, options.repeats)
    medians = {name: round(median(values), 3) for name, values in seconds.items()}
    for name, value in medians.items():
        print(f"{name}: {value} s (limit {LIMITS_S.get(name, '-')})")
    record("import_time", {"seconds_p50": medians, "limits_s": LIMITS_S}, threads=None)


if __name__ == "__main__":
    main()

"""`python -m benchmarks.gpu`: prove a GPU in one command, unattended, within a few minutes.

Each step runs in a process of its own and writes benchmarks/results/gpu/NAME.json when it ends.
Run the same command again to go on after an interruption: finished steps are not repeated.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

try:
    from benchmarks.gpu.check import check
    from benchmarks.gpu.request import CheckRequest
    from benchmarks.measured_rows.exit_status import exit_status
except ModuleNotFoundError as error:
    if str(error.name).startswith("cdul_edge"):
        print(
            "run `make gpu-check`, or set PYTHONPATH=.:export:calibration:runtime", file=sys.stderr
        )
    else:
        print(
            f"{error.name} is not installed in {sys.executable}: CONTRIBUTING.md says what the "
            "check needs, and how to name another Python",
            file=sys.stderr,
        )
    sys.exit(2)


_MOST_MINUTES = 24 * 60


def read_options(words: list[str] | None = None) -> CheckRequest:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="tiny sizes, to try the script itself; bars of speed and memory are not judged",
    )
    parser.add_argument(
        "--minutes", type=_minutes, default=8, help="that the whole check may take; 8 by default"
    )
    parser.add_argument(
        "--steps", type=lambda text: tuple(text.split(",")), default=(), help="names, by commas"
    )
    parser.add_argument("--force", action="store_true", help="repeat steps that have a result")
    parser.add_argument(
        "--out", type=Path, help="folder of results instead of benchmarks/results/gpu"
    )
    return CheckRequest(**vars(parser.parse_args(words)))


def _minutes(text: str) -> float:
    if not 0 < float(text) <= _MOST_MINUTES:
        raise ValueError(text)
    return float(text)


def main() -> int:
    """Exit status: 0 all passed, 1 something missed or did not run, 2 it cannot start."""
    return exit_status(lambda: check(read_options()), "run the same command again to go on")


if __name__ == "__main__":
    sys.exit(main())

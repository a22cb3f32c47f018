"""One row in a process of its own, in which nothing but the row runs.

Writes what it measured as JSON into the file that it is given; without one it prepares the row.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.measured_rows.benchmark import load_benchmark
from cdul_edge_runtime.host.files import write_json


def main() -> None:
    package, name, *words = sys.argv[1:]
    benchmark = load_benchmark(package)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    benchmark.setting.add_options(parser)
    given = parser.parse_args(words)
    (row,) = benchmark.find_rows((name,))
    setting = benchmark.setting.read(given, given.work)
    if given.out is None:
        benchmark.prepare(row, setting)
    else:
        write_json(given.out, benchmark.measure(row, setting).to_dict())


if __name__ == "__main__":
    main()

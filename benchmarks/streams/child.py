"""One row in a process of its own, in which nothing but the row runs.

Writes what it measured as JSON into the file that it is given; without one it prepares the row.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.streams.row import Setting
from benchmarks.streams.rows import find_rows
from cdul_edge_runtime.host.files import write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--soak", type=float, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    (row,) = find_rows((given.row,))
    setting = Setting(given.rounds, given.soak, given.work, given.quick)
    if given.out is not None:
        write_json(given.out, row.measure(setting).to_dict())
    elif row.prepare is not None:
        row.prepare(setting)


if __name__ == "__main__":
    main()

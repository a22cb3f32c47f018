"""`python -m benchmarks.peers`: this program beside the tools that people would use instead.

Each row runs in a process of its own and is kept in the file as soon as it ends; `--only` measures
some rows again and keeps the others. Exit status: 0 every row was measured, 1 a row failed, 2 it
cannot start, 3 a peer is not installed (`pip install --group peers` brings them all).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.peers.compare import PeersRequest, compare
from benchmarks.peers.result_file import PEERS_FILE
from benchmarks.peers.rows import ROWS
from benchmarks.rows import exit_status


def read_options(words: list[str] | None = None) -> PeersRequest:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument("--only", nargs="+", metavar="ROW", help=f"of {', '.join(names)}")
    parser.add_argument("--rounds", type=_count, default=5, help="turns of each side")
    parser.add_argument("--threads", type=_count, default=2, help="of each side")
    parser.add_argument("--out", type=Path, default=PEERS_FILE, help="the result file")
    parser.add_argument("--quick", action="store_true", help="tiny networks, to try the code")
    parser.add_argument(
        "--limit", type=float, default=120, help="seconds that a row may take, and its preparation"
    )
    parser.add_argument("--work", type=Path, help="keep exported networks here for the next run")
    given = parser.parse_args(words)
    if given.quick and given.out == PEERS_FILE:
        parser.error("--quick measures nothing worth keeping: name another file with --out")
    return PeersRequest(
        out=given.out,
        only=tuple(given.only or ()),
        rounds=given.rounds,
        threads=given.threads,
        quick=given.quick,
        limit_s=given.limit,
        work=given.work,
    )


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


if __name__ == "__main__":
    sys.exit(exit_status(lambda: compare(read_options())))

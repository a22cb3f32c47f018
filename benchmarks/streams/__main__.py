"""`python -m benchmarks.streams`: what live streams cost, and how late their results are.

Cameras are RTSP servers on this machine (GStreamer's, from Debian's packages) that draw the time
into every frame; their own CPU time is not counted. Each row runs in a process of its own and is
kept in the file as soon as it ends; `--only` measures some rows again and keeps the others. Exit
status: 0 every row was measured, 1 a row failed, 2 it cannot start, 3 something is not installed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.rows import exit_status
from benchmarks.streams.result_file import STREAMS_FILE
from benchmarks.streams.rows import ROWS
from benchmarks.streams.run import StreamsRequest, measure


def read_options(words: list[str] | None = None) -> StreamsRequest:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=__doc__)
    names = [row.name for row in ROWS]
    parser.add_argument("--only", nargs="+", metavar="ROW", help=f"of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side")
    parser.add_argument("--soak", type=float, default=1200, help="seconds of the row soak")
    parser.add_argument("--out", type=Path, default=STREAMS_FILE, help="the result file")
    parser.add_argument("--quick", action="store_true", help="short turns, to try the code")
    parser.add_argument("--work", type=Path, help="keep exported networks here for the next run")
    given = parser.parse_args(words)
    if given.quick and given.out == STREAMS_FILE:
        parser.error("--quick measures nothing worth keeping: name another file with --out")
    if given.rounds < 1 or given.soak <= 0:
        parser.error("--rounds and --soak are 1 or more")
    return StreamsRequest(
        out=given.out,
        only=tuple(given.only or ()),
        rounds=given.rounds,
        soak_s=given.soak,
        quick=given.quick,
        work=given.work,
    )


if __name__ == "__main__":
    sys.exit(exit_status(lambda: measure(read_options())))

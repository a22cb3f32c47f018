"""`python -m benchmarks.streams`: what live streams cost, and how late their results are.

Cameras are RTSP servers on this machine (GStreamer's, from Debian's packages) that draw the time
into every frame; their own CPU time is not counted. Each row runs in a process of its own and is
kept in the file as soon as it ends; `--only` measures some rows again and keeps the others. Exit
status: 0 every row was measured, 1 a row failed, 2 it cannot start, 3 something is not installed.
"""

from __future__ import annotations

import sys

from benchmarks.measured_rows.command import main
from benchmarks.streams.rows import BENCHMARK

if __name__ == "__main__":
    sys.exit(main(BENCHMARK, __doc__))

"""`python -m benchmarks.report`: what pages weigh, how they open in Chromium, what they cost.

Each row runs in a process of its own and is kept in the file as soon as it ends; `--only` measures
some rows again and keeps the others. Exit status: 0 every row was measured, 1 a row failed, 2 it
cannot start, 3 something is not installed.
"""

from __future__ import annotations

import sys

from benchmarks.measured_rows.command import main
from benchmarks.report.rows import BENCHMARK

if __name__ == "__main__":
    sys.exit(main(BENCHMARK, __doc__))

"""`python -m tests.fakes.measured_toys`: what the tests interrupt."""

from __future__ import annotations

import signal
import sys

from benchmarks.measured_rows.command import main
from tests.fakes.measured_toys.rows import BENCHMARK

if __name__ == "__main__":
    # what starts the tests may ignore Ctrl-C, and a child inherits that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(BENCHMARK, __doc__))

"""`python -m benchmarks.review`: 200 useful answers against 200 random ones, and against none.

Entries are chosen by `cdul_edge.reviewing.choose`, or drawn from the same pictures and classes, and
answered by truth. The answers go into `train --observed --correct-labels`, `label --observed`, or
both; each network is judged on pictures that nothing learns from. Two rows judge labels alone, by
50, 200, and 1,000 answers about other pictures. How answers correct labels was settled on halves of
the training photographs with truth; no setting was chosen on what judges here.

Each row runs in a process of its own and is kept in the file as soon as it ends. --rounds is the
number of seeds. Exit status: 0 every row was measured, 1 a row failed, 2 it cannot start.
"""

from __future__ import annotations

import sys

from benchmarks.measured_rows.command import main
from benchmarks.review.rows import BENCHMARK

if __name__ == "__main__":
    sys.exit(main(BENCHMARK, __doc__))

"""`cdul-edge train` under a real torchrun, with gloo on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cdul_edge.launcher import find_launch

_PATIENCE_S = 300


@dataclass
class Torchrun:
    """Ranks of one command.

    Args:
        count: how many.
        arguments: of `cdul-edge`.
        restarts: how often torchrun starts all again that lost one.
    """

    count: int
    arguments: list[str]
    restarts: int = 0

    def __post_init__(self) -> None:
        given = [f"--nproc-per-node={self.count}", f"--max-restarts={self.restarts}"]
        # c10d finds a free port; the default one may be taken.
        rendezvous = ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
        program = [sys.executable, "-m", "torch.distributed.run", *given, *rendezvous]
        self.process = subprocess.Popen(
            [*program, "-m", "cdul_edge.cli", *self.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        )

    def find(self, rank: int) -> int | None:
        """Process number of a rank that runs."""
        own = self.process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        for number in children:
            content = Path(f"/proc/{number}/environ").read_text(errors="replace").split("\0")
            names = dict(line.partition("=")[::2] for line in content)
            if "RANK" in names and find_launch(names).rank == rank:
                return int(number)
        return None

    def end(self) -> tuple[int, str, list[str]]:
        """Wait for the end: exit code, stdout, and the lines of stderr that are the program's."""
        out, err = self.process.communicate(timeout=_PATIENCE_S)
        lines = [line for line in err.splitlines() if line.startswith("cdul-edge: ")]
        return self.process.returncode, out, lines

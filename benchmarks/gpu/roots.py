"""Where the four import roots are: a lent machine has no installed copy of this project."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOTS = (ROOT, ROOT / "export", ROOT / "calibration", ROOT / "runtime")


def child_environment() -> dict[str, str]:
    """This process's environment, in which every Python finds the project."""
    given = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    path = dict.fromkeys([*map(str, ROOTS), *given])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}

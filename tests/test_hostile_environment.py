"""The whole default suite again, on machines that differ in all that a test must not depend on.

`make test-hostile` runs it; the default suite leaves it out. One environment differs in several
things at once, so that two runs are enough: a test that fails in one of them can be run by itself
with the variables that the failure names.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONG = "a folder é " + 139 * "x"  # 150 characters

NARROW = {
    "COLUMNS": "40",
    "TERM": "dumb",
    "OMP_NUM_THREADS": "1",
    "LANG": "C",
    "LC_ALL": "C",
    "PYTHONIOENCODING": "ascii",
    "TZ": "Pacific/Kiritimati",  # tomorrow already
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # the arithmetic of another processor
    "ATEN_CPU_CAPABILITY": "default",
}
WIDE = {
    "COLUMNS": "200",
    "TERM": "xterm-256color",
    "FORCE_COLOR": "1",
    "GITHUB_ACTIONS": "true",
    "TERMINAL_WIDTH": "60",
    "OMP_NUM_THREADS": "4",
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONHASHSEED": "12",
}


@pytest.mark.slow
@pytest.mark.parametrize("changes", [NARROW, WIDE], ids=["narrow", "wide"])
def test_the_suite_passes_whatever_the_console_the_paths_and_the_processor(
    changes: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / LONG
    folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUTF8"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=short", "-n", "auto", "--dist", "loadfile"]
        + ["--maxprocesses", "8", "--basetemp", str(folder / "base")],
        cwd=ROOT,
        env={**kept, **changes, "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, f"with {changes}:\n{done.stdout[-20_000:]}{done.stderr[-5_000:]}"
    assert re.search(r"\b\d{4,} passed", done.stdout), done.stdout[-500:]

"""Tests that need a process of their own: a signal ends one in which OpenVINO refused a model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ALONE = "CDUL_EDGE_TEST_ALONE"
IS_ALONE = _ALONE in os.environ
only_alone = pytest.mark.skipif(not IS_ALONE, reason="another test runs it, alone")


def run_alone(*names: str) -> str:
    """Have a pytest of its own run what is named, marked `only_alone` or not; what it prints."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", *names],
        env={**os.environ, _ALONE: "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert " passed" in run.stdout
    return run.stdout

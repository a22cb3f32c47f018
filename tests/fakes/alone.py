"""Tests that need a process of their own: a signal ends one in which OpenVINO refused a model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ALONE = "CDUL_EDGE_TEST_ALONE"
only_alone = pytest.mark.skipif(_ALONE not in os.environ, reason="another test runs it, alone")


def run_alone(file: str, name: str) -> None:
    """Have a pytest of its own run one test that is marked `only_alone`."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", f"{file}::{name}"],
        env={**os.environ, _ALONE: "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 passed" in run.stdout

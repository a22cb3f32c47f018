"""What becomes of each test stands in the outcome, also of the one that kills the process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import tests_step
from benchmarks.gpu.roots import ROOT, child_environment

TESTS = """
import os, pytest
pytestmark = pytest.mark.gpu

def test_passes(): pass
def test_fails(): assert 1 + 1 == 3
@pytest.mark.skip(reason="no such card")
def test_is_skipped(): pass
@pytest.fixture
def broken(): raise OSError("no device")
def test_errs(broken): pass
def test_skips_itself(): pytest.skip("no such card")
def test_kills(): os._exit(7)
@pytest.mark.tensorrt
def test_is_never_reached(): pass
"""
RUN = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from benchmarks.gpu.machine import CheckedMachine
from benchmarks.gpu.step import Context
from benchmarks.gpu.tests_step import run_tests

file, marks = sys.argv[1:]
def keep(outcome): Path(file).with_name("kept.json").write_text(json.dumps(asdict(outcome)))
machine = CheckedMachine(None, None, None, None, None, (), {}, {})
context = Context("cuda", True, machine, Path(file).parent, 0.0, keep)
keep(run_tests(context, marks, [file]))
"""


def run(folder: Path, marks: str) -> tuple[int, dict[str, Any]]:
    """Exit status of a process that runs the tests, and the last outcome that it kept."""
    (folder / "test_card.py").write_text(TESTS)
    command = [sys.executable, "-c", RUN, str(folder / "test_card.py"), marks]
    process = subprocess.run(command, cwd=ROOT, env=child_environment(), capture_output=True)
    kept: dict[str, Any] = json.loads((folder / "kept.json").read_text())
    return process.returncode, kept


def counts(outcome: dict[str, Any]) -> list[int]:
    return [figure["value"] for figure in outcome["figures"]]


def test_failures_are_named_and_skips_have_reasons(tmp_path: Path) -> None:
    code, outcome = run(tmp_path, "gpu and not tensorrt")
    assert code == 7
    assert counts(outcome) == [1, 2, 2]
    fails, errs, running = outcome["failures"]
    assert fails.endswith("::test_fails: assert (1 + 1) == 3")
    assert errs.endswith("::test_errs: OSError: no device")
    assert running.endswith("::test_kills: was running")
    assert outcome["notes"] == ["skipped 2 tests: no such card"]
    assert len(outcome["details"]["passed"]) == 1


def test_nothing_to_run_is_a_failure(tmp_path: Path) -> None:
    code, outcome = run(tmp_path, "network")
    assert code == 0
    assert outcome["failures"] == ["pytest ended with status 5"]


@pytest.mark.parametrize(
    ("here", "marks"),
    [("", "gpu"), ("tensorrt", "gpu or tensorrt"), ("tensorrt_rtx", "gpu or tensorrt")],
)
def test_engines_are_tried_where_either_library_is(
    here: str, marks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(tests_step, "find_spec", lambda name: name if name == here else None)
    monkeypatch.setattr(tests_step, "run_tests", lambda _, words, files: asked.append(words))
    context: Any = None
    tests_step.run(context)
    assert asked == [marks]

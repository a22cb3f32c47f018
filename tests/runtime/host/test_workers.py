"""Jobs in processes of their own: answers, deaths, and an end that leaves no process behind."""

from __future__ import annotations

import math
import operator
import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.host.workers import Death, map_in_workers, run_in_workers


def workers_left() -> list[str]:
    """Commands of this process's children; a zombie has none."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    commands = [Path("/proc", child, "cmdline").read_text() for child in children]
    return [command for command in commands if "workers import serve" in command]


def test_every_job_is_answered_by_whoever_is_free() -> None:
    found = dict(run_in_workers(math.factorial, [3, 4, 5], workers=2))
    assert found == {3: 6, 4: 24, 5: 120}
    assert workers_left() == []


def test_a_process_that_dies_takes_no_other_job_with_it() -> None:
    found = dict(run_in_workers(os._exit, [3, 4], workers=1))
    assert found == {3: Death(3), 4: Death(4)}


def test_a_bug_shows_its_traceback_and_the_next_job_runs(
    capfd: pytest.CaptureFixture[str],
) -> None:
    found = dict(run_in_workers(int, ["nine", "7"], workers=1))
    assert found == {"nine": Death(1), "7": 7}
    assert "ValueError: invalid literal for int() with base 10: 'nine'" in capfd.readouterr().err


def test_who_stops_asking_ends_every_worker_at_once() -> None:
    started = time.monotonic()
    with closing(run_in_workers(time.sleep, [0, 600], workers=2)) as answers:
        assert next(answers) == (0, None)
    assert workers_left() == []
    assert time.monotonic() - started < 60


def test_answers_of_a_map_come_in_the_order_of_its_jobs() -> None:
    expected = [0, -1, -2, -3, -4, -5, -6]
    assert list(map_in_workers(operator.neg, range(7), workers=2, chunk=2)) == expected
    assert list(map_in_workers(operator.neg, range(7), workers=1)) == expected


def test_what_the_user_can_fix_is_raised_again_as_it_was(tmp_path: Path) -> None:
    """A disk that is full or a file that is not there reads as if no worker stood between."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list(map_in_workers(os.listdir, [tmp_path / "nowhere", tmp_path], workers=2))
    with pytest.raises(ImageError, match=r"a\.jpg: broken") as raised:
        list(map_in_workers(_raise, [ImageError("a.jpg", "broken")] * 2, workers=2))
    assert (raised.value.path, raised.value.reason) == ("a.jpg", "broken")
    assert workers_left() == []


def _raise(error: Exception) -> None:
    raise error


def test_a_map_that_loses_a_worker_says_so() -> None:
    with pytest.raises(CdulEdgeError, match=r"part of the work was lost: .* exit code [34]"):
        list(map_in_workers(os._exit, [3, 4], workers=2))

"""examples/opencv and examples/picamera2, as a user runs them, with a camera that is pretended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def start(script: str, *arguments: str | Path) -> subprocess.Popen[str]:
    path = [ROOT, ROOT / "runtime", ROOT / "tests/fakes/cameras"]
    return subprocess.Popen(
        [sys.executable, str(ROOT / "examples" / script), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("script", "first", "rest"),
    [
        ("opencv/watch_camera.py", "red appeared (0.98)", ["red is gone", "released"]),
        (
            "picamera2/watch_camera.py",
            # 0.04 s a picture: the fourth is the first that is 0.1 s after the first
            "0.16 LabelAppeared(label='red', since_s=0.04, time_s=0.16, score=0.98",
            ["stopped LabelGone(label='red', since_s=0.04", "closed"],
        ),
    ],
)
def test_red_is_seen_and_a_signal_ends_the_loop_in_order(
    bundle: Path, script: str, first: str, rest: list[str], number: signal.Signals
) -> None:
    with start(script, bundle) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(number)
        stdout, stderr = process.communicate()
    assert line.startswith(first), stderr
    assert [line[: len(begin)] for line, begin in zip(stdout.splitlines(), rest, strict=True)] == (
        rest
    )
    assert stderr == ""
    assert process.returncode == 0


def test_the_end_of_a_video_is_the_end_of_the_loop(bundle: Path) -> None:
    with start("opencv/watch_camera.py", bundle, "video") as process:
        stdout, stderr = process.communicate()
    assert stdout.splitlines()[-1] == "released", stderr
    assert process.returncode == 0


def test_a_camera_that_is_missing_is_one_line(bundle: Path) -> None:
    with start("opencv/watch_camera.py", bundle, "7") as process:
        _, stderr = process.communicate()
    assert stderr == "7 cannot be opened: give a camera's number or a video\n"
    assert process.returncode == 1

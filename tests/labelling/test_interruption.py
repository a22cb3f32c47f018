"""Stopped at any point, labeling loses at most the part in flight and ends with the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge.labelling.error_limit import ErrorLimit
from cdul_edge.labelling.score_part import PartScorer
from cdul_edge.labelling.store.parts import part_name
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge.labels.labels_writer import LabelsWriter
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.full_disk import largest_file

PICTURES = 240
PART = 20


def command(pictures: Path, classes: Path, tiny_clip: Path, out: Path, *more: str) -> list[str]:
    return [
        "label", str(pictures), "--classes", str(classes), "--out", str(out), "--clip",
        str(tiny_clip), "--pretrained", "none", "--part-pictures", str(PART), "--threads", "1",
        "--batch-pictures", "2", "--encoder", "torch", *more,  # auto: the faster, by the clock
    ]  # fmt: skip


def wait_for(found: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.005)


@pytest.mark.parametrize(
    "stop", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_killed_run_goes_on_and_ends_with_the_same_scores(
    stop: signal.Signals, classes: Path, tiny_clip: Path, tmp_path: Path, paint: Any
) -> None:
    paint(tmp_path / "pictures", PICTURES)
    arguments = command(tmp_path / "pictures", classes, tiny_clip, tmp_path / "labels")
    run = subprocess.Popen(
        [sys.executable, "-m", "cdul_edge.cli", *arguments, "--workers", "1"],
        stderr=subprocess.PIPE,
    )
    wait_for((tmp_path / "labels" / part_name(1)).is_file)
    workers = children(run.pid)
    run.send_signal(stop)
    _, said = run.communicate(timeout=30)
    assert run.returncode == (-stop if stop == signal.SIGKILL else 130)
    if stop == signal.SIGTERM:
        assert "interrupted: finished work is kept" in said.decode()
    assert len(workers) == 1
    wait_for(lambda: not any(map(alive, workers)), 10)  # no worker outlives its parent
    finished = [part.stat().st_mtime_ns for part in whole_parts(tmp_path / "labels")]
    assert 1 < len(finished) < PICTURES // PART
    assert json.loads((tmp_path / "labels" / "manifest.json").read_text())["complete"] is False

    resumed = CliRunner().invoke(app, [*arguments, "--workers", "0"])
    assert resumed.exit_code == 0, resumed.output
    parts = whole_parts(tmp_path / "labels")
    assert [part.stat().st_mtime_ns for part in parts][: len(finished)] == finished
    assert not list((tmp_path / "labels").rglob(".*"))
    other = command(tmp_path / "pictures", classes, tiny_clip, tmp_path / "other")
    assert CliRunner().invoke(app, [*other, "--workers", "0"]).exit_code == 0
    uninterrupted = [part.read_bytes() for part in whole_parts(tmp_path / "other")]
    assert [part.read_bytes() for part in parts] == uninterrupted


def test_ctrl_c_in_the_middle_of_a_part_loses_that_part_only(
    label: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = 0

    def interrupt(self: ErrorLimit, pictures: tuple[StoredPicture, ...]) -> None:
        nonlocal seen
        seen += len(pictures)
        if seen > 4:  # the second batch of the second part of three
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ErrorLimit, "add", interrupt)
        with pytest.raises(KeyboardInterrupt):
            label(workers=1)
    assert len(label.parts()) == 1
    assert label().scored == 4
    label(out=tmp_path / "uninterrupted")
    assert label.parts() == label.parts(tmp_path / "uninterrupted")


@pytest.mark.parametrize(
    ("owner", "name", "what"),
    [
        (PartScorer, "_cosines", r"CLIP's batches and the parts of the store .*--batch-pictures"),
        (LabelsWriter, "finish", r"the scores of 7 pictures and 3 classes .*fewer classes"),
    ],
)
def test_too_little_memory_is_one_line_and_the_same_command_goes_on(
    label: Any, owner: type, name: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask_for_too_much(*arguments: Any) -> None:
        np.empty(1 << 50, np.uint8)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, ask_for_too_much)
        said = rf"not enough memory for {what}.*; finished work is kept"
        with pytest.raises(CdulEdgeError, match=said):
            label()
    label()
    label(out=tmp_path / "uninterrupted")
    assert label.parts() == label.parts(tmp_path / "uninterrupted")


def test_a_full_disk_is_one_line_and_keeps_what_is_finished(
    pictures: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    classes = tmp_path / "many.txt"
    classes.write_text("\n".join(f"c{index}" for index in range(1500)))
    arguments = command(pictures, classes, tiny_clip, tmp_path / "labels", "--workers", "0")
    arguments[arguments.index("--part-pictures") + 1] = "3"
    arguments[arguments.index("--batch-pictures") + 1] = "1"
    assert CliRunner().invoke(app, arguments).exit_code == 0
    complete = [part.read_bytes() for part in whole_parts(tmp_path / "labels")]
    manifest = tmp_path / "labels" / "manifest.json"
    manifest.write_text(
        json.dumps({**json.loads(manifest.read_text()), "complete": False}), encoding="utf-8"
    )
    (tmp_path / "labels" / part_name(1)).unlink()
    with largest_file(150_000):  # a part of three pictures has 180,000 bytes
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("cdul-edge: ")]
    assert "the disk is full" in line
    assert "finished work is kept" in line
    assert not list((tmp_path / "labels").rglob("*.tmp"))
    assert len(whole_parts(tmp_path / "labels")) == 2
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert [part.read_bytes() for part in whole_parts(tmp_path / "labels")] == complete


def whole_parts(out: Path) -> list[Path]:
    return sorted(out.glob("similarities/part-*.parquet"))


def children(parent: int) -> list[int]:
    if not Path("/proc").is_dir():
        pytest.skip("needs /proc to see the decoding process")
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(status.parent.name))
    return found


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    os.kill(process, 0)
    return state != "Z"

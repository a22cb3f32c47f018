"""The study command: what it asks for, its exit codes, and its end at Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

pytest.importorskip("torch", reason="a study trains networks")

from cdul_edge.cli import app
from cdul_edge.cli.study import own_strategies
from cdul_edge.study import DrawnWorld, StudyRequest, run
from cdul_edge.study.outcome import Failed
from cdul_edge_runtime.host.console import Console

WORLD = ("--drawn-world", "24,16")
PHOTOGRAPHS = ("images", "classes", "clip", "train-truth", "val", "truth")


def invoke(out: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["study", "--out", str(out), *map(str, arguments)])


def alive_in_group(group: int) -> list[str]:
    """What /proc says of the processes of a group that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            text = stat.read_text()
            state, _, its_group = text.rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                found.append(text)
    return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[StudyRequest]:
    """What the command would run; every cell fails."""
    found: list[StudyRequest] = []

    def fail(request: StudyRequest, console: Console) -> list[Failed]:
        found.append(request)
        return [Failed(cell, "no time") for cell in request.cells]

    monkeypatch.setattr(run, "run_cells", fail)
    return found


def test_options_become_the_study_and_failed_cells_exit_1(
    tmp_path: Path, asked: list[StudyRequest]
) -> None:
    result = invoke(
        tmp_path, *WORLD, "--strategies", "default, max", "--methods", "fixed,em",
        "--observed", "none,10%", "--observed-methods", "em", "--seeds", "3,1", "--epochs", "2",
        "--image-size", "48", "--train", "batch_size=8", "--jobs", "2",
    )  # fmt: skip
    assert result.exit_code == 1, result.output
    (settings,) = asked
    assert settings.data == DrawnWorld(24, 16)
    assert settings.strategies == ("default", "max")
    assert settings.seeds == (3, 1)
    assert (settings.jobs, settings.threads) == (2, None)
    config = settings.run_options("em", 3)
    assert (config.network, config.epochs, config.batch_size) == ("clip:demo", 2, 8)
    assert (config.height_px, config.width_px, config.method) == (48, 48, "em")
    assert len(settings.cells) == 2 * 4
    assert "- default, em, 10%: no time" in result.stdout
    assert "8 cells failed" in result.stderr


def test_all_is_every_variant(tmp_path: Path, asked: list[StudyRequest]) -> None:
    invoke(tmp_path, *WORLD, "--strategies", "all", "--methods", "all", "--seeds", "0")
    assert {"global", "cdul"} <= set(asked[0].strategies)
    assert {"role", "vlpl+negatives", "cdul-paper"} <= set(asked[0].methods)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "a study needs pictures with truth: give --images, --classes, --clip"),
        (("--images", "x", "--clip", "demo"), "give --classes, --train-truth, --val, --truth"),
        ((*WORLD, "--images", "x"), "--drawn-world paints its own pictures: drop --images"),
        ((*WORLD, "--from-similarities", "x"), "paints its own pictures: drop --from-similarities"),
        (("--from-similarities", "x", "--clip", "demo"), "brings its own: drop --clip"),
        (
            ("--from-similarities", "x", "--images", "x", "--val", "x"),
            "give --train-truth, --truth; or --drawn-world",
        ),
        (
            tuple("--from-similarities x --images x --val x --train-truth x --truth x".split()),
            "x does not exist: check the path",
        ),
        (
            ("--made-with-temperature", "1", *(f"--{name}=x" for name in PHOTOGRAPHS)),
            "drop --made-with-temperature: it is for --from-similarities",
        ),
        ((*WORLD, "--variant", "slow=magic"), "--variant 'slow=magic': expected NAME=METHOD"),
        ((*WORLD, "--subset", "few=gone.txt"), "--subset few=gone.txt: there is no such file"),
        ((*WORLD, "--strategies", "global@few"), "no subset few: there are with-truth"),
        (("--drawn-world", "24"), "expected TRAIN,HELDOUT"),
        (("--drawn-world", "many,16"), "expected whole numbers"),
        ((*WORLD, "--methods", "magic"), "no method magic"),
        ((*WORLD, "--seeds", "a"), "--seeds 'a': expected whole numbers"),
        ((*WORLD, "--train", "method=em"), "--train 'method=em'"),
        ((*WORLD, "--observed", "half"), "'half'"),
    ],
)
def test_what_cannot_be_run_is_one_line_and_exit_2(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = invoke(tmp_path / "study", *arguments)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("image_path,bird,fish\n0.png,1,0\n", "has no class 'cat', 'dog': it has bird, fish"),
        ("image_path,cat\n0.png,1\n", "has no class 'dog': it has cat"),
        ("image_path,cat,dog\nother.png,1,0\n", "names none of the 1 pictures"),
        ("image_path,cat,dog\n0.png,-1,\n", "knows no class of any of the 1 pictures"),
    ],
)
def test_truth_of_something_else_is_one_line_and_can_be_replaced(
    tmp_path: Path, content: str, message: str
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (40, 40)).save(pictures / "0.png")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    right = tmp_path / "right.csv"
    right.write_text("image_path,cat,dog\n0.png,1,0\n")
    for name, text in (("wrong.csv", content), ("other.csv", "image_path,hen\n0.png,1\n")):
        (tmp_path / name).write_text(text)
        result = invoke(
            tmp_path / "study",
            *("--images", pictures, "--classes", tmp_path / "classes.txt", "--clip", "demo"),
            *("--train-truth", right, "--val", pictures, "--truth", tmp_path / name),
        )
        assert result.exit_code == 2, result.output
        assert f"cdul-edge: the truth {tmp_path / name} " in result.stderr
        # a former study that made nothing does not stand in the way of a mended one
        assert (message if name == "wrong.csv" else "it has hen") in result.stderr


@pytest.mark.slow
def test_an_interrupted_study_leaves_no_process_and_goes_on(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "cdul_edge.cli", "study", "--out", str(tmp_path / "study"), *WORLD,
        "--strategies", "default", "--seeds", "0", "--epochs", "40", "--image-size", "32",
        "--jobs", "2", "--threads", "1",
    ]  # fmt: skip
    running = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    metrics = tmp_path / "study/runs/default/fixed/none/seed-0/metrics.jsonl"
    while not metrics.is_file():
        assert running.poll() is None, running.stderr and running.stderr.read()
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: parent and workers
    _, talk = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "interrupted: finished work is kept" in talk
    assert "Traceback" not in talk
    deadline = time.monotonic() + 10  # what tracks the parent's semaphores ends just after it
    while alive_in_group(running.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert alive_in_group(running.pid) == []
    behind = len(metrics.read_text().splitlines())
    assert behind < 40
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert len(metrics.read_text().splitlines()) == 40


def test_what_similarities_of_best_and_worst_snippets_cannot_give_is_not_compared_unasked() -> None:
    assert own_strategies(Path("similarities.npz")) == "default,global,max,cdul"
    assert own_strategies(None) == "default,global,average,max,cdul"

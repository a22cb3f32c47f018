"""However a watch ends, what is there is said to be gone first, and the exit code is 0."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cdul_edge import cli
from cdul_edge_runtime.host.child_python import (
    child_command,
    child_environment,
    module_command,
)

RED = bytes((255, 0, 0)) * 64
# A pipe that stays open is a camera. A test that stands still for a while does not lose it, nor
# what it showed: at this rate labels stay for five minutes without a frame.
CAMERA = ("door=raw:8x8:rgb", "--timeout", "300", "--rate", "0.01", "--no-smooth")
F_SETPIPE_SZ = 1031  # of Linux
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@contextmanager
def watching(bundle: Path, *words: object) -> Iterator[subprocess.Popen[bytes]]:
    command = module_command(cli.__name__, "watch", str(bundle), *map(str, words))
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(),
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def next_row(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout
    line = process.stdout.readline()
    assert line, process.stderr and process.stderr.read().decode()
    row = json.loads(line)
    assert isinstance(row, dict)
    return row


def show_red(process: subprocess.Popen[bytes]) -> None:
    """One red frame, and the pipe stays open."""
    assert process.stdin
    process.stdin.write(RED)
    process.stdin.flush()
    assert [next_row(process)["type"] for _ in range(2)] == ["status", "appeared"]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_ends_it_well(bundle: Path, number: signal.Signals) -> None:
    with watching(bundle, *CAMERA) as process:
        show_red(process)
        process.send_signal(number)
        gone, status = next_row(process), next_row(process)
        assert (gone["type"], gone["label"], gone["reason"]) == ("gone", "red", "stopped")
        assert (status["type"], status["state"]) == ("status", "stopped")
        assert process.wait() == 0
        assert process.stderr
        assert process.stderr.read().decode().splitlines()[1:] == [
            "door: connected (rawvideo, 8x8)",
            "door: stopped",
        ]


def test_a_signal_ends_the_wait_for_a_camera_that_refuses(bundle: Path) -> None:
    pytest.importorskip("av")
    with watching(bundle, "door=rtsp://127.0.0.1:1/a") as process:
        assert next_row(process)["state"] == "lost"
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


def test_a_reader_that_goes_ends_it_though_nothing_happens(bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    with watching(bundle, *CAMERA, "--out", out) as process:
        show_red(process)
        assert process.stdout
        process.stdout.close()  # `| head -2`; no frame comes any more
        assert process.wait() == 0
        assert process.stderr
        assert b"Traceback" not in process.stderr.read()
    last = [json.loads(line) for line in out.read_text().splitlines()][-2:]
    assert [row["type"] for row in last] == ["gone", "status"]
    assert last[0]["reason"] == "stopped"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux makes a pipe smaller")
def test_a_reader_that_does_not_read_cannot_keep_it_from_ending(
    bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows.jsonl"
    frames = ("door=raw:8x8:rgb@1000", "--every", "frames", "--out", out)
    with watching(bundle, *frames) as process:
        assert process.stdin
        assert process.stdout
        fcntl.fcntl(process.stdout, F_SETPIPE_SZ, 4096)
        process.stdin.write(RED * 100)  # far more rows than the pipe holds now
        process.stdin.flush()
        select.select([process.stdout], [], [])
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
    assert json.loads(out.read_text().splitlines()[-1])["type"] in ("gone", "status")


def test_messages_that_nobody_reads_cannot_keep_it_from_ending(bundle: Path) -> None:
    away = [f"n{number}=http://127.0.0.1:1/" for number in range(60)]
    reader, writer = os.pipe()
    fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)  # fewer lines than there are sources
    command = module_command(cli.__name__, "watch", str(bundle), *away)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=writer, env=child_environment()
    ) as process:
        assert process.stdout
        for _ in away:
            process.stdout.readline()
        process.terminate()
        process.stdout.read()
        assert process.wait(30) == 0
    os.close(writer)
    os.close(reader)


def test_a_pipe_that_ends_ends_its_stream(bundle: Path) -> None:
    with watching(bundle, *CAMERA) as process:
        show_red(process)
        assert process.stdin
        process.stdin.close()
        last = next_row(process), next_row(process)
        assert {row["type"] for row in last} == {"gone", "status"}
        assert {row["state"] for row in last if row["type"] == "status"} == {"ended"}
        assert process.wait() == 0


def test_a_full_disk_behind_stdout_is_one_line_and_exit_code_2(bundle: Path) -> None:
    command = module_command(cli.__name__, "watch", str(bundle), "door=raw:8x8:rgb@10")
    with open("/dev/full", "wb") as full:
        run = subprocess.run(
            command, input=RED * 5, stdout=full, stderr=subprocess.PIPE, env=child_environment()
        )
    assert run.returncode == 2
    lines = run.stderr.decode().splitlines()
    assert sum("stdout cannot be written (No space left" in line for line in lines) == 1
    assert lines[-1].endswith("rows or pictures could not be written: see above")


def test_a_file_gets_each_row_once_however_it_is_named(bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    words = ("watch", str(bundle), "door=raw:8x8:rgb@10", "--out", str(out))
    with out.open("wb") as file:
        run = subprocess.run(
            module_command(cli.__name__, *words),
            input=RED,
            stdout=file,
            stderr=subprocess.PIPE,
            env=child_environment(),
        )
    assert run.returncode == 2
    assert f"stdout goes to {out} already: leave --out away" in run.stderr.decode()
    assert out.read_bytes() == b""


def run_program(body: str) -> subprocess.Popen[bytes]:
    head = "from cdul_edge.cli.options.stopping import Stopping\nimport time\n"
    return subprocess.Popen(
        child_command(head + body), stdout=subprocess.PIPE, env=child_environment()
    )


def test_a_second_signal_kills_what_does_not_end() -> None:
    body = (
        "with Stopping() as stopping:\n"
        "    stopping.call(lambda: print('asked', flush=True))\n"
        "    print('ready', flush=True)\n"
        "    while not stopping.stopped: time.sleep(0.01)\n"
        "    print('stuck', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with run_program(body) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == b"asked\n"
        assert process.stdout.readline() == b"stuck\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM


def test_a_signal_that_comes_twice_at_once_kills_nothing() -> None:
    body = (
        "import os, signal\n"
        "with Stopping() as stopping:\n"
        "    stopping.call(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    while not stopping.stopped: time.sleep(0.01)\n"
        "    print('in order')\n"
    )
    with run_program(body) as process:
        assert process.communicate()[0] == b"in order\n"
        assert process.returncode == 0


def test_a_signal_before_there_is_anything_to_stop_is_no_error() -> None:
    body = (
        "with Stopping() as stopping:\n"
        "    print('loading', flush=True)\n"
        "    time.sleep(60)\n"
        "assert stopping.stopped\n"
    )
    with run_program(body) as process:
        assert process.stdout
        assert process.stdout.readline() == b"loading\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


def test_it_runs_without_torch_onnx_and_the_libraries_of_other_sources(bundle: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'pyarrow', 'rosbags', 'paho', 'gi', 'av'):\n"
        "    sys.modules[name] = None\n"
        "from cdul_edge.cli import app\n"
        "app(sys.argv[1:])\n"
    )
    run = subprocess.run(
        child_command(code, "watch", str(bundle), "door=raw:8x8:rgb@10", "--no-smooth"),
        input=RED * 5,
        capture_output=True,
        env={**child_environment(), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=os.fspath(bundle),
    )
    assert run.returncode == 0, run.stderr
    kinds = [json.loads(line)["type"] for line in run.stdout.splitlines()]
    assert sorted(kinds) == ["appeared", "gone", "status", "status"]

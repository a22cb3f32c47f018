"""`predict -` answers each name when it comes, in UTF-8, and keeps what an end leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge_runtime.host.child_python import child_environment, module_command


@pytest.fixture
def red(tmp_path: Path) -> Path:
    picture = tmp_path / "größe.png"
    Image.new("RGB", (8, 8), (255, 0, 0)).save(picture)
    return picture


@contextmanager
def predicting(
    bundle: Path, *words: object, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    command = module_command("cdul_edge.cli", "predict", str(bundle), "-", *map(str, words))
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**child_environment(), **environment},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_name_is_answered_before_the_next_one_comes_whatever_the_encoding(
    bundle: Path, red: Path
) -> None:
    with predicting(bundle, PYTHONIOENCODING="ascii", LANG="C") as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"\xef\xbb\xbf" + os.fsencode(red) + b"\n")  # and no BOM is in a name
        process.stdin.flush()
        first = json.loads(process.stdout.readline().decode("utf-8"))
        assert (first["path"], first["labels"]) == (str(red), ["red"])
        process.stdin.write(b"half of a na")
        process.stdin.flush()
        process.stdin.write(b"me\n" + os.fsencode(red))  # the last line has no end
        process.stdin.close()
        assert json.loads(process.stdout.read()) == first
        assert process.stderr
        error = json.loads(process.stderr.read().splitlines()[1])
        assert error["path"] == "half of a name"
        assert process.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_is_finished_is_kept_and_named_when_it_is_stopped(
    bundle: Path, red: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "p.jsonl"
    with predicting(bundle, tmp_path / "nowhere.png", "--out", out) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write(os.fsencode(red) + b"\nmissing.png\n")
        process.stdin.flush()
        while b"missing.png" not in process.stderr.readline():
            pass  # answered after the first, which is written then
        process.send_signal(number)
        last = process.stderr.read().decode().splitlines()
        assert process.wait() == 130
    partial = tmp_path / "p.jsonl.partial"
    assert last == [
        f"cdul-edge: 1 finished prediction is kept in {partial}",
        "cdul-edge: interrupted: finished work is kept",
    ]
    assert [json.loads(line)["labels"] for line in partial.read_text().splitlines()] == [["red"]]
    assert not out.exists()


def test_a_name_in_another_encoding_is_found_and_comes_back_as_an_escape(
    bundle: Path, tmp_path: Path
) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Image.new("RGB", (8, 8)).save(os.fsdecode(tmp_path / "a.png"))
    (tmp_path / "a.png").rename(os.fsdecode(name))
    result = CliRunner().invoke(app, ["predict", str(bundle), "-"], input=name + b"\n")
    assert result.exit_code == 0, result.output
    assert b"caf\\udce9.png" in result.stdout_bytes
    assert os.fsencode(json.loads(result.stdout)["path"]) == name


@pytest.mark.parametrize(
    ("closed", "message"),
    [
        ("<&-", "no pictures: name files or folders"),
        (">&-", "stdout is closed"),
        ("<&- >&-", "stdout is closed"),
        ("2>&-", None),
        ("<&- >&- 2>&-", None),
    ],
)
def test_closed_streams_are_one_line_and_never_a_traceback(
    bundle: Path, red: Path, closed: str, message: str | None
) -> None:
    command = ["sh", "-c", f'"$@" {closed}', "sh", *module_command("cdul_edge.cli")]
    words = ["predict", str(bundle), "-"]
    run = subprocess.run(
        [*command, *words],
        input=os.fsencode(red),
        capture_output=True,
        env=child_environment(),
    )
    if message is None:
        assert run.returncode == (0 if closed == "2>&-" else 2)
        assert run.stderr == b""
    else:
        assert run.returncode == 2
        assert message in run.stderr.decode().splitlines()[-1]
        assert b"Traceback" not in run.stderr


def test_predictions_go_on_where_nobody_reads_the_errors(
    bundle: Path, red: Path, tmp_path: Path
) -> None:
    with predicting(bundle) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(os.fsencode(red) + b"\n")
        process.stdin.flush()
        assert process.stdout.readline()
        process.stderr.close()
        process.stdin.write(b"missing.png\n" + os.fsencode(red) + b"\n")
        process.stdin.close()
        assert json.loads(process.stdout.read())["labels"] == ["red"]
        assert process.wait() == 0

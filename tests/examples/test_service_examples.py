"""The unit of systemd and the compose file: checked by systemd, and their commands run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from cdul_edge.cli import app
from cdul_edge_runtime.host.child_python import child_environment, module_command

EXAMPLES = Path(__file__).parents[2] / "examples"
UNIT = EXAMPLES / "systemd" / "cdul-edge-watch.service"
COMPOSE = EXAMPLES / "docker" / "compose.yaml"
PROGRAM = "/opt/cdul-edge/bin/cdul-edge"
MOST_EXPOSED = 2.0  # of 10, by systemd's count


def exec_start() -> list[str]:
    """Words of the command that the unit starts."""
    text = UNIT.read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(r"^ExecStart=(.*)$", text, re.M)
    return shlex.split(line)


def systemd_analyze(*words: object) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze: apt-get install systemd")
    return subprocess.run(
        [program, *map(str, words)],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "SYSTEMD_PAGER": "", "LC_ALL": "C.UTF-8"},
    )


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit as systemd would find it where the program is installed."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, sys.executable))
    return unit


def test_systemd_finds_nothing_wrong_with_the_unit(installed: Path) -> None:
    run = systemd_analyze("verify", installed)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    installed.write_text(installed.read_text() + "\n[Service]\nRestrat=always\n")
    assert "Restrat" in systemd_analyze("verify", installed).stderr


def test_the_unit_may_do_little_else(installed: Path) -> None:
    run = systemd_analyze("security", "--offline=true", installed)
    if "Unknown" in run.stderr or "unrecognized" in run.stderr:
        pytest.skip("this systemd cannot judge a file")
    (score,) = re.findall(r"exposure level for \S+: ([\d.]+)", run.stdout)
    assert float(score) <= MOST_EXPOSED


def test_what_the_unit_starts_runs_and_ends_with_exit_code_0(bundle: Path, tmp_path: Path) -> None:
    assert exec_start()[0] == PROGRAM
    places = {
        "/etc/cdul-edge/bundle": str(bundle),
        "%S/cdul-edge/rows.jsonl": str(tmp_path / "state" / "rows.jsonl"),
        "%S/cdul-edge/clips": str(tmp_path / "state" / "clips"),
    }
    words = [places.get(word, word) for word in exec_start()[1:] if word != "yard=env:CAMERA_2"]
    command = module_command("cdul_edge.cli", *words, "--timeout", "300")
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**child_environment(), "CAMERA_1": "raw:8x8:rgb"},
    ) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write(bytes((255, 0, 0)) * 64)
        process.stdin.flush()
        while b"connected" not in (line := process.stderr.readline()):
            assert line
        process.send_signal(signal.SIGTERM)  # as `systemctl stop` does
        assert process.wait() == 0
        assert process.stdout
        assert process.stdout.read() == b""
    rows = (tmp_path / "state" / "rows.jsonl").read_text().splitlines()
    assert [json.loads(row)["state"] for row in rows if '"status"' in row] == [
        "connected",
        "stopped",
    ]


def test_the_compose_file_builds_and_starts_what_there_is() -> None:
    yaml = pytest.importorskip("yaml")
    services = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    watch = services["watch"]
    assert (COMPOSE.parent / watch["build"]["context"] / "docker" / "Dockerfile.x86").is_file()
    dockerfile = (EXAMPLES.parent / watch["build"]["dockerfile"]).read_text(encoding="utf-8")
    assert all(f"ARG {name}" in dockerfile for name in watch["build"]["args"])
    command, *rest = watch["command"]
    known = {
        option
        for parameter in get_command(app).commands[command].params  # type: ignore[attr-defined]
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    assert {word for word in rest if word.startswith("--")} <= known
    assert set(watch["depends_on"]) <= set(services)


@pytest.mark.parametrize(
    ("settings", "users"),
    [("systemd/watch.env", "systemd/cdul-edge-watch.service"),
     ("docker/env.example", "docker/compose.yaml")],
)  # fmt: skip
def test_every_variable_is_set_where_the_example_says(settings: str, users: str) -> None:
    set_there = set(
        re.findall(r"^(?:# )?(\w+)=", (EXAMPLES / settings).read_text(encoding="utf-8"), re.M)
    )
    used = set(re.findall(r"(?:\$\{|=env:)(\w+)", (EXAMPLES / users).read_text(encoding="utf-8")))
    assert used <= set_there
    assert set_there <= used | {"CDUL_EDGE_MQTT"}

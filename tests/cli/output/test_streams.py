"""A reader that is gone and a disk that is full, on stdout: no traceback in any case."""

import subprocess
from pathlib import Path

import pytest

from cdul_edge_runtime.host.child_python import child_environment, module_command


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", [["--version"], ["--help"], ["info", "BUNDLE"]])
def test_a_full_disk_is_one_line(words: list[str], bundle: Path) -> None:
    words = [str(bundle) if word == "BUNDLE" else word for word in words]
    with open("/dev/full", "wb") as full:
        run = subprocess.run(
            module_command("cdul_edge.cli", *words),
            stdout=full,
            stderr=subprocess.PIPE,
            env=child_environment(),
        )
    assert run.returncode == 2
    (line,) = run.stderr.decode().splitlines()
    assert line.startswith("cdul-edge: No space left on device: the disk is full")


def test_a_reader_that_is_gone_is_no_failure(bundle: Path) -> None:
    with subprocess.Popen(
        module_command("cdul_edge.cli", "info", str(bundle)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(),
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0

import errno
import os
import re
import warnings
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge.cli.output.complaints import _SMALLER, explain, warnings_in_one_line
from cdul_edge.front import machine_report
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning


def test_every_error_of_the_system_is_one_line_with_its_reason_and_path() -> None:
    for number in errno.errorcode:
        line = explain(OSError(number, os.strerror(number), "/out/x"))
        assert line is not None
        assert line.startswith(f"/out/x: {os.strerror(number)}: ")
        assert "\n" not in line


def test_both_paths_of_a_rename_are_named_and_control_characters_are_escaped() -> None:
    error = OSError(errno.EXDEV, "Invalid cross-device link", "/a", None, "/b\n")
    assert (explain(error) or "").startswith("/a -> /b\\n: Invalid cross-device link: ")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "not enough memory"),
        (ImportError("libtorch.so: failed to map segment from shared object"), "not enough memory"),
        (UnicodeEncodeError("ascii", "caf\xe9", 3, 4, "ordinal"), "'caf\\xe9' cannot be written"),
        (CdulEdgeError("two\nlines"), "two lines"),
    ],
)
def test_what_the_user_can_fix_is_explained(error: Exception, words: str) -> None:
    line = explain(error)
    assert line is not None
    assert words in line


@pytest.mark.parametrize(("command", "options"), _SMALLER.items())
def test_each_command_names_options_of_its_own_with_which_it_needs_less_memory(
    command: str, options: str
) -> None:
    names = re.findall(r"--[a-z-]+", options)
    known = cast(Any, typer.main.get_command(app)).commands[command]
    assert set(names) <= {name for param in known.params for name in param.opts}
    line = explain(MemoryError("malloc of size 123 failed"), command) or ""
    assert line == (
        "not enough memory (malloc of size 123 failed): end other programs, or raise "
        f"`ulimit -v`, or give {options}"
    )


@pytest.mark.parametrize(
    "bug", [KeyError("x"), RuntimeError("shapes"), ImportError("no name"), OSError("no number")]
)
def test_a_bug_is_not_explained_away(bug: Exception) -> None:
    assert explain(bug) is None


def run_doctor_failing_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> Result:
    def refuse(*args: object) -> None:
        raise error

    monkeypatch.setattr(machine_report, "examine_machine", refuse)
    return CliRunner().invoke(app, ["doctor"])


def test_the_command_line_ends_with_the_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = run_doctor_failing_with(OSError(errno.ENOTDIR, "Not a directory", "f/x"), monkeypatch)
    assert (result.exit_code, result.stdout) == (2, "")
    line, *others = result.stderr.splitlines()
    assert line.startswith("cdul-edge: f/x: Not a directory: a part of the path is a file")
    assert not others


def test_the_command_line_lets_a_bug_through(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_doctor_failing_with(KeyError("a bug"), monkeypatch)
    assert isinstance(result.exception, KeyError)


def test_a_warning_that_comes_again_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings_in_one_line():
        for text in ("a.bin is damaged", "b.bin is damaged", "a.bin is damaged"):
            warnings.warn(text, CdulEdgeWarning, stacklevel=1)
    said = capsys.readouterr().err.splitlines()
    assert said == [f"cdul-edge: warning: {name} is damaged" for name in ("a.bin", "b.bin")]


def test_a_circle_of_links_is_one_line_whatever_python_raises(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises((RuntimeError, OSError)) as raised:
        loop.resolve(strict=True)
    assert "symbolic links lead in a circle" in (explain(raised.value) or "")

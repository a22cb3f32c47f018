import errno
import json
import os
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge.cli.summary import write_summary


def test_a_dash_is_stdout_and_a_name_is_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_summary(Path("-"), {"größe": 1})
    assert json.loads(capsys.readouterr().out) == {"größe": 1}
    write_summary(tmp_path / "s.json", {"größe": 2})
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8")) == {"größe": 2}
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full at /out/x"),
        (errno.EACCES, "reading or writing is not allowed at /out/x"),
        (errno.EROFS, "not allowed at /out/x"),
    ],
)
def test_what_the_system_refuses_is_one_line(
    number: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(number, os.strerror(number), "/out/x")

    # By its full name: cdul_edge.cli.doctor as an attribute is the function, not the module.
    monkeypatch.setattr(import_module("cdul_edge.cli.doctor"), "write_summary", refuse)
    result = CliRunner().invoke(app, ["doctor", "--json", "x"])
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert words in result.stderr

"""What a pipe or a file gets of a command's result."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge.cli.output.result_console import result_console


def test_a_table_that_is_piped_holds_whole_paths_however_narrow_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    folder = tmp_path / ("a folder " + 150 * "x" + " é")
    folder.mkdir()
    (folder / "predictions.jsonl").write_text('{"path": "a.jpg", "note": "' + 300 * "y" + '"}')
    result = CliRunner().invoke(app, ["info", str(folder / "predictions.jsonl")])
    assert result.exit_code == 0, result.output
    assert 300 * "y" in result.stdout


def test_brackets_in_a_name_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    result_console().print("[bold]cat[/bold]")
    result_console(to_stderr=True).print("[red]")
    assert capsys.readouterr() == ("[bold]cat[/bold]\n", "[red]\n")

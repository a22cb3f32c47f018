import io
import sys

import pytest

from cdul_edge.cli.output.result_console import message_console, result_console


def test_names_are_never_markup_and_nothing_wraps_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    line = "[red]a class[/] of :smile: " + "w" * 300
    result_console().print(line)
    message_console().print(line)
    assert capsys.readouterr() == (f"{line}\n", f"{line}\n")


def test_results_go_to_stderr_where_stdout_carries_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result_console(to_stderr=True).print("a table")
    assert capsys.readouterr() == ("", "a table\n")


def test_a_closed_stream_takes_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    message_console().print("nobody hears this")


def test_a_terminal_that_lacks_a_character_gets_another(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii", "replace"))
    result_console().print("Größe …")
    sys.stdout.flush()
    assert raw.getvalue() == b"Gr??e ?\n"

"""Lines come out whole whatever the terminal's width, and a library call hears warnings only."""

from __future__ import annotations

import io

import pytest
from rich.console import Console as RichConsole

from cdul_edge_runtime.errors import CdulEdgeWarning
from cdul_edge_runtime.host.console import (
    Console,
    LibraryConsole,
    SilentConsole,
    StderrConsole,
)


def test_lines_are_plain_and_never_wrapped() -> None:
    shown = io.StringIO()
    console: Console = StderrConsole(RichConsole(file=shown, width=20))
    console.say("[red] is a class name, and this line is longer than twenty columns")
    console.warn("[bold] too")
    assert shown.getvalue().splitlines() == [
        "[red] is a class name, and this line is longer than twenty columns",
        "warning: [bold] too",
    ]


def test_no_bar_is_drawn_into_a_file() -> None:
    shown = io.StringIO()
    with StderrConsole(RichConsole(file=shown, width=80)).progress("labelling", 10) as advance:
        advance(10)
    assert shown.getvalue() == ""


def test_a_terminal_shows_the_units_that_were_done_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")  # a dumb one has no bars
    shown = io.StringIO()
    rich = RichConsole(file=shown, width=100, force_terminal=True, _environ={"TERM": "xterm"})
    with StderrConsole(rich).progress("labelling", 10, done=4) as advance:
        advance(3)
    assert "4/10" in shown.getvalue() or "7/10" in shown.getvalue()


def test_a_library_call_hears_warnings_and_a_silent_one_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.warns(CdulEdgeWarning, match="only ten pictures"):
        LibraryConsole().warn("only ten pictures")
    for console in (LibraryConsole(), SilentConsole()):
        console.say("nothing")
        with console.progress("labelling", 3) as advance:
            advance(3)
    SilentConsole().warn("nothing")
    assert capfd.readouterr() == ("", "")

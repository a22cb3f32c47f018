"""The table of a watch, and its lines."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from cdul_edge.cli.output.watch import lines
from cdul_edge.cli.output.watch.lines import (
    Display,
    LiveTable,
    StreamState,
    choose_display,
    describe_event,
    describe_stats,
    describe_status,
    printable,
)
from cdul_edge_runtime.bundle.score_reference import ScoreReference
from cdul_edge_runtime.metrics.drift import measure_drift
from cdul_edge_runtime.streams.rows import Stats, Status
from cdul_edge_runtime.streams.source import SourceInfo
from tests.fakes.stream_rows import MIDNIGHT_S, appeared, gone, prediction, status


def drawn(table: LiveTable, width: int = 120) -> list[list[str]]:
    """Cells of the rows below the titles."""
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table.draw())
    assert isinstance(console.file, io.StringIO)
    _, *lines = console.file.getvalue().splitlines()
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


def test_the_table_shows_each_stream_as_it_is_now() -> None:
    console = Console(file=io.StringIO(), width=120)
    table = LiveTable(["door", "yard"], console)
    assert drawn(table) == [["door", "opening"], ["yard", "opening"]]
    for row in (status(), prediction(), appeared(), status("lost", "yard")):
        table.show(row)
    assert drawn(table) == [["door", "connected", "40", "red 90 %"], ["yard", "lost"]]
    table.show(status("lost"))
    assert drawn(table)[0] == ["door", "lost"]
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert "door: red appeared (75 %)" in said
    assert re.search(r"^\d\d:\d\d:\d\d door: lost$", said, re.MULTILINE)


def test_a_stream_takes_one_line_however_many_labels_it_shows() -> None:
    table = LiveTable(["door", "yard"], Console(file=io.StringIO()))
    state = table._streams["door"]
    state.change(status())
    state.labels = tuple((f"label{number}", 0.5) for number in range(20))
    door, yard = drawn(table, width=60)
    assert door[:2] == ["door", "connected"]
    assert door[-1].startswith("label0 50 %, label1")
    assert door[-1].endswith("…")
    assert yard == ["yard", "opening"]


def test_the_rate_is_that_of_the_last_seconds() -> None:
    state = StreamState("connected")
    state.answered.extend([0.0, 10.0, 10.1, 10.2, 10.3])
    assert state.cells(10.4)[1] == "10.0"


def test_the_rate_of_a_camera_that_stops_sending_falls_and_its_age_goes() -> None:
    state = StreamState("connected", age_ms=16.0)
    state.answered.extend([10.0, 10.1])
    assert state.cells(10.2)[1:3] == ("10.0", "16")
    assert state.cells(15.1)[1:3] == ("0.2", "")


def test_a_rate_slower_than_the_window_is_shown_as_it_is() -> None:
    state = StreamState("connected", age_ms=16.0)
    state.answered.extend([10.0, 15.0])  # --rate 0.2
    assert state.cells(15.5)[1:3] == ("0.2", "16")
    assert state.cells(19.9)[1:3] == ("0.2", "16")


def test_lines_say_what_is_open_and_when_the_next_try_is() -> None:
    info = SourceInfo(640, 480, "h264", 25.0)
    assert describe_status(replace(status(), info=info)) == (
        "door: connected (h264, 640x480, 25 fps)"
    )
    assert describe_status(status("ended")) == "door: ended"
    lost = Status("door", MIDNIGHT_S, "lost", "refused", 0.53)
    assert describe_status(lost) == "door: lost (refused); next try in 0.5 s"
    assert describe_event(gone(reason="lost")).endswith("door: red gone after 2.0 s, lost")
    assert describe_event(replace(gone(), until_s=1e300)).startswith("--:--:--")


def test_figures_are_a_line_above_the_table() -> None:
    console = Console(file=io.StringIO(), width=200)
    table = LiveTable(["door"], console)
    figures = Stats("door", MIDNIGHT_S, 25.0, 12.5, 750, 41.0, 81.4, 0, 165.7)
    table.show(replace(figures, drift_note="no reference"))
    table.show(replace(figures, age_p95_ms=None, losses=2))
    assert isinstance(console.file, io.StringIO)
    assert [line[9:] for line in console.file.getvalue().splitlines()] == [
        "door: 25.0 fps in, 12.5 out, 750 dropped, age p95 81 ms, 0 losses, 166 MiB, "
        "drift: no reference",
        "door: 25.0 fps in, 12.5 out, 750 dropped, 2 losses, 166 MiB",
    ]
    then = np.tile(np.linspace(0.01, 0.99, 100)[:, None], (1, 2))
    reference = ScoreReference.of(then, np.full(2, 0.5), ("one", "two"))
    report = measure_drift(then, reference)
    assert describe_stats(replace(figures, drift=report)).endswith("drift: 0 of 2 classes shifted")


def test_what_a_camera_says_cannot_move_the_cursor() -> None:
    assert printable("a\x1b[2Jb\r\nü") == r"a\x1b[2Jb\r\nü"


@pytest.mark.parametrize(
    ("json", "stderr", "stdout", "expected"),
    [
        (None, True, True, Display(json=False, table=True)),
        (None, True, False, Display(json=True, table=True)),  # `cdul-edge watch … > rows.jsonl`
        (None, False, True, Display(json=True, table=False)),
        (None, False, False, Display(json=True, table=False)),
        (True, True, True, Display(json=True, table=False)),  # a table would overwrite rows
        (False, True, True, Display(json=False, table=True)),
        (False, False, False, Display(json=False, table=False)),
    ],
)
def test_a_terminal_gets_a_table_and_all_else_rows(
    json: bool | None,
    stderr: bool,
    stdout: bool,
    expected: Display,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stdout(io.StringIO):
        def isatty(self) -> bool:
            return stdout

    console = Console(file=io.StringIO(), force_terminal=stderr, _environ={"TERM": "xterm"})
    monkeypatch.setattr(lines, "message_console", lambda: console)
    monkeypatch.setattr("sys.stdout", Stdout())
    assert choose_display(json) == expected

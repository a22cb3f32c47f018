"""Rows of a watch as people read them: a line each, or a table that follows the streams."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from cdul_edge.cli.output.result_console import message_console
from cdul_edge.cli.output.watch.rows import descriptor_of, is_writable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cdul_edge_runtime.streams.rows import Appeared, FramePrediction, Gone, Row, Stats, Status
    from cdul_edge_runtime.streams.source import SourceInfo

_REFRESHES = 4  # a second
_WINDOW_S = 3.0
_STYLES = {"connected": "green", "lost": "yellow", "failed": "red"}


class View(Protocol):
    """What people see on stderr."""

    def show(self, row: Row) -> None:
        """Take one row."""

    def say(self, line: str) -> None:
        """Show one line; called from several threads."""


class StatusLines:
    """A line for each state of a stream, for logs."""

    def __init__(self) -> None:
        self._is_read = True

    def show(self, row: Row) -> None:
        """Say a change of state."""
        from cdul_edge_runtime.streams.rows import Status

        if isinstance(row, Status):
            self.say(describe_status(row))

    def say(self, line: str) -> None:
        """Print it, unless nobody reads what was printed before: no watch waits for that."""
        descriptor = descriptor_of(sys.stderr)
        if descriptor is not None:
            self._is_read = is_writable(descriptor) if self._is_read else is_writable(descriptor, 0)
        if self._is_read:
            message_console().print(printable(line))


class LiveTable:
    """A table of the streams that is drawn anew, with what happened above it."""

    def __init__(self, streams: Iterable[str], console: Console) -> None:
        self._streams = {name: StreamState() for name in streams}
        self._console = console

    def show(self, row: Row) -> None:
        """Take a row in; all but what a frame shows becomes a line above the table."""
        from cdul_edge_runtime.streams.rows import Appeared, FramePrediction, Gone, Stats, Status

        if isinstance(row, Stats):
            self.say(describe_stats(row))
            return
        state = self._streams[row.stream]
        if isinstance(row, FramePrediction):
            state.note(row)
        elif isinstance(row, Status):
            state.change(row)
            self.say(f"{_clock(row.time_s)} {describe_status(row)}")
        elif isinstance(row, Appeared | Gone):
            self.say(describe_event(row))

    def say(self, line: str) -> None:
        """Print it above the table."""
        self._console.print(printable(line))

    def draw(self) -> Table:
        """The table as it stands now."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2, 0, 0))
        for title, side in (("stream", "left"), ("state", "left"), ("fps", "right")):
            table.add_column(title, justify="left" if side == "left" else "right", no_wrap=True)
        table.add_column("age ms", justify="right", no_wrap=True)
        table.add_column("labels now", ratio=1)
        now = time.monotonic()
        for name, state in list(self._streams.items()):
            *cells, labels = map(printable, (name, *state.cells(now)))
            # a line each: a taller table would hide streams of a small terminal
            short = Text(labels, no_wrap=True, overflow="ellipsis")
            table.add_row(*cells, short, style=_STYLES.get(state.state))
        return table


@dataclass
class StreamState:
    """What the table knows of a stream."""

    state: str = "opening"
    retry_at: float | None = None
    age_ms: float | None = None
    labels: tuple[tuple[str, float], ...] = ()
    answered: deque[float] = field(default_factory=lambda: deque(maxlen=512))

    def note(self, row: FramePrediction) -> None:
        """Take in a classified frame."""
        self.answered.append(time.monotonic())
        self.age_ms = row.age_ms
        columns = {name: column for column, name in enumerate(row.classes)}
        self.labels = tuple((label, float(row.scores[columns[label]])) for label in row.labels)

    def change(self, row: Status) -> None:
        """Take in a change of state."""
        self.state = row.state
        self.retry_at = None if row.retry_s is None else time.monotonic() + row.retry_s
        if row.state != "connected":
            self.labels, self.age_ms = (), None
            self.answered.clear()

    def cells(self, now: float) -> tuple[str, str, str, str]:
        """State, frames a second, age in ms, and labels."""
        state = self.state
        if self.retry_at is not None:
            state += f", next try in {max(0.0, self.retry_at - now):.0f} s"
        age = "" if self.age_ms is None or self._is_quiet(now) else f"{self.age_ms:.0f}"
        labels = ", ".join(f"{label} {100 * score:.0f} %" for label, score in self.labels)
        return state, self._rate(now), age, labels

    def _rate(self, now: float) -> str:
        answered = tuple(self.answered)
        recent = [moment for moment in answered if now - moment <= _WINDOW_S]
        if len(recent) >= 2 and recent[-1] > recent[0]:
            return f"{(len(recent) - 1) / (recent[-1] - recent[0]):.1f}"
        if len(answered) < 2:
            return "0.0" if self.state == "connected" and not answered else ""
        # seconds apart: a low --rate, or a camera that has stopped sending
        gap = max(now - answered[-1], answered[-1] - answered[-2])
        return f"{1 / gap:.1f}" if gap > 0 else ""

    def _is_quiet(self, now: float) -> bool:
        """Frames came, and none comes now, at the rate at which they came."""
        if len(self.answered) < 2:
            return False
        before, last = tuple(self.answered)[-2:]
        return now - last > max(_WINDOW_S, 3 * (last - before))


@dataclass(frozen=True)
class Display:
    """What goes where.

    Attributes:
        json: rows go to stdout.
        table: stderr shows a table; otherwise lines.
    """

    json: bool
    table: bool


def choose_display(json: bool | None) -> Display:
    """On a terminal a table, elsewhere JSON; never both on one.

    Args:
        json: whether rows are wanted on stdout; None leaves it to what stdout is.
    """
    console = message_console()
    able = console.is_terminal and not console.is_dumb_terminal
    if json is None:
        json = not (able and sys.stdout.isatty())
    return Display(json, able and not (json and sys.stdout.isatty()))


@contextmanager
def open_view(streams: Iterable[str], display: Display) -> Iterator[View]:
    """The table or the lines of stderr."""
    if not display.table:
        yield StatusLines()
        return
    from rich.live import Live

    console = message_console()
    table = LiveTable(streams, console)
    with Live(
        get_renderable=table.draw,
        console=console,
        refresh_per_second=_REFRESHES,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield table


def describe_status(row: Status) -> str:
    """`door: lost (the stream ended); next try in 0.5 s`."""
    detail = _describe_source(row.info) if row.info is not None else row.reason
    text = f"{row.stream}: {row.state}" + (f" ({detail})" if detail else "")
    return text if row.retry_s is None else f"{text}; next try in {row.retry_s:.1f} s"


def describe_event(row: Appeared | Gone) -> str:
    """`14:03:12 door: person appeared (97 %)`."""
    from cdul_edge_runtime.streams.rows import Appeared

    if isinstance(row, Appeared):
        return f"{_clock(row.time_s)} {row.stream}: {row.label} appeared ({100 * row.score:.0f} %)"
    why = "" if row.reason is None else f", {row.reason}"
    return f"{_clock(row.until_s)} {row.stream}: {row.label} gone after {row.duration_s:.1f} s{why}"


def describe_stats(row: Stats) -> str:
    """`14:03:12 door: 25.0 fps in, 12.5 out, 750 dropped, age p95 81 ms, 0 losses, 166 MiB`."""
    parts = [f"{row.fps_in:.1f} fps in, {row.fps_out:.1f} out, {row.dropped} dropped"]
    if row.age_p95_ms is not None:
        parts.append(f"age p95 {row.age_p95_ms:.0f} ms")
    parts.append(f"{row.losses} losses, {row.rss_mib:.0f} MiB")
    drift = row.drift_note
    if row.drift is not None:
        drift = f"{len(row.drift.shifted)} of {len(row.drift.classes)} classes shifted"
    if drift is not None:
        parts.append(f"drift: {drift}")
    return f"{_clock(row.time_s)} {row.stream}: {', '.join(parts)}"


def printable(text: str) -> str:
    """Without what could move a terminal's cursor: cameras choose some of these words."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _describe_source(info: SourceInfo) -> str:
    size = f"{info.width_px}x{info.height_px}" if info.width_px and info.height_px else None
    rate = f"{info.fps:g} fps" if info.fps else None
    return ", ".join(part for part in (info.codec, size, rate) if part)


def _clock(time_s: float) -> str:
    try:
        return f"{datetime.fromtimestamp(time_s):%H:%M:%S}"
    except (OverflowError, ValueError, OSError):  # a camera may claim any time
        return "--:--:--"

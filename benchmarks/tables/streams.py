"""Live streams: a few figures for the guide, and all of them."""

from __future__ import annotations

from benchmarks.measured_rows.figures import Figure
from benchmarks.measured_rows.result_file import MeasuredRow, RowsFile
from benchmarks.streams.rows import BENCHMARK
from benchmarks.tables import markdown
from benchmarks.tables.markdown import section, table

# What the guide shows: (row, figure), and what it is.
SHOWN = (
    ("glass", "pyav", "drawn to result, 640x480 at 25 fps, p95"),
    ("glass", "gst", "the same, `gst:`"),
    ("slow", "pyav-p95", "the same with a network of 100 ms, after 30 s"),
    ("overload", "fair", "four streams, 40 ms a picture: most / least results"),
    ("cpu", "1", "of a core for a stream at 25 fps, one thread"),
    ("cpu", "all", "the same, every core"),
    ("cpu", "2/1", "two threads / one"),
    ("soak", "growth", "memory gained while a camera is killed every minute"),
    ("loss", "killed, pyav", "killed camera noticed"),
    ("loss", "frozen, pyav", "frozen camera noticed, time-out 2 s"),
    ("loss", "killed, pyav, beyond", "result after its return, beyond the wait"),
    ("stop", "healthy", "SIGTERM to exit"),
    ("stop", "frozen", "the same, frozen camera, time-out 2 s"),
    ("frame", "beyond", "`predict` of 1280x720 beyond the network"),
)


def read_file() -> RowsFile[Figure]:
    """What was measured; no rows where it never was."""
    return BENCHMARK.read(markdown.RESULTS / "streams.json")


def draw_streams_summary() -> str:
    """For the guide; empty where none of its figures was measured."""
    kept = read_file()
    found = [
        (what, figure) for row, key, what in SHOWN if (figure := kept.find(row, key)) is not None
    ]
    if not found:
        return ""
    rows = [(what, _shown(figure), _wanted(figure)) for what, figure in found]
    told = f"Cameras on the same machine, medians (`{BENCHMARK.command}`):"
    return f"{told}\n\n{table(('', 'measured', 'wanted'), rows)}"


def draw_streams() -> tuple[str, ...]:
    """Every row, with what is wanted."""
    kept = read_file()
    if not kept.rows:
        return ()
    rows = [line for row in kept.rows.values() for line in _lines(row)]
    told = (
        f"`{BENCHMARK.command}`: medians of rounds, both sides in one run. Cameras are RTSP "
        "servers on the same machine (H.264, 640x480, 25 fps) that draw the time into each frame; "
        "their CPU time is not counted. ResNet-18 of 96 px with random weights, one thread, "
        "unless a row says otherwise."
    )
    heads = ("what", "median", "wanted", "met", "`--only`")
    return (section("Live streams", told, table(heads, rows), *kept.drawn_notes()),)


def _lines(row: MeasuredRow[Figure]) -> list[tuple[str, ...]]:
    name = f"`{row.name}`"
    if row.not_measured:
        return [(row.title, "", "", row.not_measured, name)]
    return [
        (f"{row.title}: {one.what}", _shown(one), _wanted(one), _verdict(one), name)
        for one in row.findings
    ]


def _shown(one: Figure) -> str:
    """Three digits, and never an exponent."""
    value = one.median
    number = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return _with_unit(number, one.unit)


def _wanted(one: Figure) -> str:
    if one.bar is None:
        return ""
    return f"{one.bar.sign} {_with_unit(f'{one.bar.limit:g}', one.unit)}"


def _with_unit(number: str, unit: str) -> str:
    return f"{number}{unit}" if unit == "x" else f"{number} {unit}".strip()


def _verdict(one: Figure) -> str:
    return {True: "yes", False: "no", None: "stated"}[one.met]

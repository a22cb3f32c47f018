"""Live streams: a few figures for the guide, and all of them."""

from __future__ import annotations

from benchmarks.streams.rows import BENCHMARK
from benchmarks.tables.figure_rows import draw_chosen, draw_every

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


def draw_streams_summary() -> str:
    """For the guide; empty where none of its figures was measured."""
    told = f"Cameras on the same machine, medians (`{BENCHMARK.command}`):"
    return draw_chosen(BENCHMARK, SHOWN, told)


def draw_streams() -> tuple[str, ...]:
    """Every row, with what is wanted."""
    told = (
        f"`{BENCHMARK.command}`: medians of rounds, both sides in one run. Cameras are RTSP "
        "servers on the same machine (H.264, 640x480, 25 fps) that draw the time into each frame; "
        "their CPU time is not counted. ResNet-18 of 96 px with random weights, one thread, "
        "unless a row says otherwise."
    )
    return draw_every(BENCHMARK, "Live streams", told)

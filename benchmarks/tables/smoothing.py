"""What smoothing gains and costs on drawn videos, and what it does to real ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.tables import markdown
from benchmarks.tables.markdown import figures, table

# Title, figure, and digits.
_COLUMNS = (
    ("mAP", "map", 1), ("F1", "f1", 1), ("flips/minute", "flips", 0),
    ("found, %", "found", 0), ("delay, s", "delay_p50_s", 2),
)  # fmt: skip


def draw_smoothing() -> str:
    """For the guide; empty where it was never measured."""
    if not (markdown.RESULTS / "stream_smoothing.json").is_file():
        return ""
    found = figures("stream_smoothing")
    rates = found["true_flips"]
    rows = [_row(name, found["judged_on"][name], list(rates)) for name in ("raw", "smoothed")]
    told = (
        f"`python -m benchmarks.streams.smoothing`: six drawn videos at {'/'.join(rates)} fps, "
        f"with {'/'.join(f'{true:.0f}' for true in rates.values())} true flips a minute; six "
        "others chose the defaults:"
    )
    drawn = table(("", *(title for title, _, _ in _COLUMNS)), rows)
    return f"{told}\n\n{drawn}{_tell_real(found.get('real_videos', {}))}"


def _row(name: str, here: Mapping[str, Any], rates: list[str]) -> list[str]:
    sides = [here[rate]["figures"] for rate in rates]
    cells = ("/".join(f"{side[key]:.{digits}f}" for side in sides) for _, key, digits in _COLUMNS)
    return [name, *cells]


def _tell_real(videos: Mapping[str, Mapping[str, float]]) -> str:
    shown = {name: one for name, one in videos.items() if one["flips_raw"] > 0}
    if not shown:
        return ""
    flips = [100 * one["flips_smoothed"] / one["flips_raw"] for one in shown.values()]
    labels = [one["labels_smoothed"] / one["labels_raw"] for one in shown.values()]
    return (
        f"\nOn {len(shown)} real videos {min(flips):.0f}–{max(flips):.0f} % of the flips are left, "
        f"with {min(labels):.1f}–{max(labels):.1f} times as many labels.\n"
    )

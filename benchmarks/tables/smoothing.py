"""What smoothing gains and costs on drawn videos, and what it does to real ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.tables import markdown
from benchmarks.tables.markdown import figures, table

_HEADS = (
    "fps", "mAP", "F1", "labels/true", "flips/minute", "false/minute", "found", "delay, p90",
)  # fmt: skip


def draw_smoothing() -> str:
    """For the guide; empty where it was never measured."""
    if not (markdown.RESULTS / "stream_smoothing.json").is_file():
        return ""
    found = figures("stream_smoothing")
    judged = found["judged_on"]
    rates = list(found["true_flips"])
    rows = [
        _row(f"{rate} {name}", judged[name][rate]["figures"])
        for rate in rates
        for name in ("raw", "smoothed")
    ]
    true = " and ".join(f"{found['true_flips'][rate]:.0f}" for rate in rates)
    told = (
        "Chosen on six drawn videos with exact truth, judged on six others "
        f"(`python -m benchmarks.streams.smoothing`); {true} flips a minute are true:"
    )
    real = found.get("real_videos", {})
    return f"{told}\n\n{table(_HEADS, rows)}{_tell_real(real)}"


def _row(name: str, here: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        name,
        f"{here['map']:.1f}",
        f"{here['f1']:.1f}",
        f"{here['labels']:.2f}",
        f"{here['flips']:.0f}",
        f"{here['false']:.1f}",
        f"{here['found']:.0f}%",
        f"{here['delay_p50_s']:.2f}, {here['delay_p90_s']:.2f} s",
    )


def _tell_real(videos: Mapping[str, Mapping[str, float]]) -> str:
    told = ", ".join(
        f"`{name}` {one['flips_raw']:.0f} → {one['flips_smoothed']:.0f} "
        f"({one['labels_raw']:.2f} → {one['labels_smoothed']:.2f})"
        for name, one in videos.items()
        if one["flips_raw"] > 0
    )
    if not told:
        return ""
    return f"\nFlips a minute (and labels a frame) on real videos, without truth: {told}.\n"

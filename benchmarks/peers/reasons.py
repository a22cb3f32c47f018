"""Why a row is behind what is wanted, in few words; shown only where it is."""

from __future__ import annotations

from benchmarks.peers.row import Comparison

# By row and comparison; a row alone speaks for all of its comparisons.
REASONS: dict[str, str] = {
    "predict": "cv2 skips antialiasing",
    "openvino": "cv2 skips antialiasing",
    "start": "bundle checks, imports",
}


def explain(row: str, one: Comparison) -> str:
    """Empty where the bar is met; the spread of the rounds where nobody has found out."""
    if one.met is not False:
        return ""
    rounds = [mine / its for mine, its in zip(one.ours, one.theirs, strict=True)]
    spread = f"rounds from {min(rounds):.2f}x to {max(rounds):.2f}x"
    return written_reason(row, one) or spread


def written_reason(row: str, one: Comparison) -> str:
    """What somebody found out; empty where nobody did."""
    return REASONS.get(f"{row}/{one.key}", REASONS.get(row, ""))

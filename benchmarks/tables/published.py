"""The table of the papers' own settings, from real_world.json."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from benchmarks.tables.markdown import RESULTS, figures, percent, section, table
from benchmarks.tables.photographs import count

LEVELS = ("none", "10%", "50%")
TOLD = """\
Observed labels alone (`--labels-from observed`), drawn from the truth of 855 photographs; {seeds}
a cell, held-out mAP of eight classes. A claim holds where the intervals over seeds and over images
both lie above 0, does not where both lie below, and cannot be told otherwise. A small network and
few images say little against a paper.
"""


def draw_observed_gain() -> str:
    """What observed labels add to pseudo-labels, by method and by how good the labels are."""
    found = figures("observed_gain")
    rows = [
        (name, *(gained(side[name].get(level)) for side in found.values() for level in LEVELS))
        for name in found["evidence labels"]
        if name != "labels_map"
    ]
    heads = ("method", *(f"{side}, {level}" for side in found for level in LEVELS))
    told = (
        "A linear head on frozen features of EfficientNet-Lite0, six halves of 855 photographs, "
        "mAP of eight classes, gain with its 95 % interval. Observed labels help where a network "
        "learns the errors of its labels; elsewhere those average out."
    )
    return section("Observed labels beside pseudo-labels", told, table(heads, rows))


def gained(change: float | dict[str, float] | None) -> str:
    """A gain with its interval, or the mAP without observed labels."""
    if isinstance(change, dict):
        return f"{change['gain']:+.1f} ± {change['half_interval']:.1f}"
    return percent(change)


def draw_published() -> tuple[str, ...]:
    """Cells and claims of the papers' settings; nothing before they have been run."""
    if not (RESULTS / "real_world.json").is_file():
        return ()
    found = figures("real_world").get("published")
    return () if found is None else (draw_levels(found["cells"]), draw_claims(found["claims"]))


def draw_levels(cells: list[dict[str, Any]]) -> str:
    """Held-out mAP of each method at each level, mean over the seeds."""
    levels = list(dict.fromkeys(cell["level"] for cell in cells))
    means = {(c["method"], c["level"]): fmean(c["map"].values()) for c in cells}
    rows = [
        (f"`{method}`", *(percent(means.get((method, level))) for level in levels))
        for method in dict.fromkeys(cell["method"] for cell in cells)
    ]
    heads = ("method", *(f"`{level}`" for level in levels))
    told = TOLD.format(seeds=how_many([len(cell["map"]) for cell in cells]))
    return section("The papers' own settings on photographs", told, table(heads, rows))


def how_many(seeds: list[int]) -> str:
    """`1 seed`, or `1 to 3 seeds`."""
    fewest, most = min(seeds), max(seeds)
    return count(most, "seed") if fewest == most else f"{fewest} to {count(most, 'seed')}"


def draw_claims(claims: list[dict[str, Any]]) -> str:
    """Each claim that was run, with its gain, both intervals, and its verdict."""
    rows = [
        (c["claim"], compared(c), f"{c['mean']:+.1f}", interval(c["over_seeds"]),
         interval(c["over_pictures"]), c["verdict"])
        for c in claims
        if c["mean"] is not None
    ]  # fmt: skip
    heads = ("claim", "compared", "mAP gained", "over seeds", "over images", "verdict")
    return section("Published claims on photographs", table(heads, rows))


def compared(claim: dict[str, Any]) -> str:
    """Both sides; the level once, where it is the same."""
    (better, level), (worse, other) = claim["better"], claim["worse"]
    if level == other:
        return f"`{better}` - `{worse}`, `{level}`"
    return f"`{better}`, `{level}` - `{worse}`, `{other}`"


def interval(ends: list[float | None] | None) -> str:
    """Both ends; nothing where one run has none, or kept no scores."""
    low, high = ends or (None, None)
    return "" if low is None or high is None else f"{low:+.1f} to {high:+.1f}"

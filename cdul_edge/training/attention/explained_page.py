"""The page of an explanation: its panels, their scores, and names of what had no room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cdul_edge.page.numbers import numbers_of
from cdul_edge.page.page import Page, render
from cdul_edge.page.thumbnails import Thumbnail, Thumbnails

# Bytes of panels. A browser opens that at once; those beyond it stay files beside the page.
BUDGET = 5_000_000
# A panel of six classes keeps its size.
_SIDE_PX, _QUALITY = 1800, 80


def render_explanation(
    folder: Path, index: Mapping[str, object], panels: Sequence[str], *, budget: int = BUDGET
) -> str:
    """The page, which holds the first panels up to `budget` bytes, and names the others.

    Args:
        folder: where the panels lie.
        index: what index.json holds.
        panels: file names, in the order of its pictures.
        budget: of the panels, as they are embedded.
    """
    context = {
        "index": index,
        "shown": _embed(folder, panels, budget),
        "number": numbers_of(index, ""),
        "count": len(panels),
    }
    return render(Page("training/explanation.html", "Where the network looks"), context)


def _embed(folder: Path, panels: Sequence[str], budget: int) -> list[Thumbnail]:
    """The first panels that fit, small: at least one."""
    thumbnails = Thumbnails(folder, side_px=_SIDE_PX, quality=_QUALITY)
    shown: list[Thumbnail] = []
    for panel in panels:
        one = thumbnails.thumbnail(panel)
        if one is None or (shown and thumbnails.size > budget):
            break
        shown.append(one)
    return shown

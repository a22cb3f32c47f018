"""What a review is asked for, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cdul_edge.storage.location import Location
from cdul_edge_runtime.errors import CdulEdgeError

# A day's work for one person, and a page that browsers still open.
MOST = 5_000


@dataclass(frozen=True)
class ReviewRequest:
    """One page of questions.

    Attributes:
        labels: the labels to mend: a folder, a file of pseudo-labels, or predictions.
        out: the HTML file.
        images: where the pictures lie now; None: where the labels say.
        count: how many entries (a picture and a class) to ask about.
        class_names: ask about these classes only; empty: all.
        observed: answers that were given before: those entries are not asked about again.
        sheet: a sheet of `sample`, drawn from these labels, to be answered on the same page.
        force: replace an earlier page.

    Raises:
        CdulEdgeError: a count below 1, or above `MOST`.
    """

    labels: Location
    out: Path
    images: Path | None = None
    count: int = 200
    class_names: tuple[str, ...] = ()
    observed: tuple[Path, ...] = ()
    sheet: Path | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST:
            raise CdulEdgeError(
                f"--count {self.count}: ask about 1 to {MOST:,} entries on one page, and about "
                "others on a later one (--observed)"
            )


@dataclass(frozen=True)
class ReviewResult:
    """A page that was written.

    Attributes:
        out: the HTML file.
        bytes: its size.
        entries: how many it asks about, by class.
        pictures: how many pictures it holds.
        sheet_questions: how many of a sheet it asks beside.
        missing: pictures that it would have shown, had they been found.
    """

    out: Path
    bytes: int
    entries: dict[str, int]
    pictures: int
    sheet_questions: int = 0
    missing: int = 0

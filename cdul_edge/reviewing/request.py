"""What a review is asked for, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cdul_edge.storage.location import Location
from cdul_edge_runtime.errors import CdulEdgeError


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
        seed: of the draw of entries for a sheet of `evaluate --sampled`.
        force: replace an earlier page.

    Raises:
        CdulEdgeError: a count below 1.
    """

    labels: Location
    out: Path
    images: Path | None = None
    count: int = 200
    class_names: tuple[str, ...] = ()
    observed: tuple[Path, ...] = ()
    seed: int = 0
    force: bool = False

    def __post_init__(self) -> None:
        if self.count < 1:
            raise CdulEdgeError(f"--count {self.count}: ask about at least 1 entry")


@dataclass(frozen=True)
class ReviewResult:
    """A page that was written.

    Attributes:
        out: the HTML file.
        bytes: its size.
        entries: how many it asks about, by class.
        pictures: how many pictures it holds.
    """

    out: Path
    bytes: int
    entries: dict[str, int]
    pictures: int

"""What makes the parts of a store, here or on a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from cdul_edge.labelling.choose_clip import ChosenClip
from cdul_edge.labelling.part_report import PartReport
from cdul_edge.labelling.score_part import Seen
from cdul_edge.labels.settings import ClipRun


class Engine(Protocol):
    """First `choose_clip`, once; then `score_parts`, once, when the folder is ready for them."""

    def choose_clip(self, before: ClipRun | None) -> ChosenClip:
        """Load CLIP where it will run, and say what it came to.

        Args:
            before: of the labels in the folder; None where they are of no use.
        """
        ...

    def score_parts(self, parts: Sequence[int], seen: Seen) -> Iterator[PartReport]:
        """Make and write parts, in any order.

        Args:
            parts: those that are missing, the ones with kept embeddings first.
            seen: may be told of pictures before the report of their part, and of all of them then.
        """
        ...

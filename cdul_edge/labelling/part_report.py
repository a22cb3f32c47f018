"""What whoever made a part of the store says of it."""

from __future__ import annotations

from dataclasses import dataclass

from cdul_edge.labelling.store.parts import EMBEDDINGS_FOLDER, FOLDER, Part, PartFacts
from cdul_edge.labels.manifest import SkippedPicture

# A report travels between machines: of more skipped pictures the part has the list.
LISTED = 100


@dataclass(frozen=True)
class PartReport:
    """A part that was made and written.

    Attributes:
        part: its number.
        pictures: how many it has.
        labelled: how many of them could be read.
        skipped: path and reason of the first 100 that could not.
        encoded: how many went through CLIP; the others were known.
        from_embeddings: whether all of it came from embeddings that had been kept.
        cosines: the file of similarities.
        embeddings: the file of embeddings, where they are kept and were made now.
        seconds: since the part before, or since this one was asked for.
    """

    part: int
    pictures: int
    labelled: int
    skipped: tuple[SkippedPicture, ...]
    encoded: int
    from_embeddings: bool
    cosines: PartFacts
    embeddings: PartFacts | None
    seconds: float

    @classmethod
    def of(
        cls,
        index: int,
        part: Part,
        cosines: PartFacts,
        embeddings: PartFacts | None = None,
        encoded: int = 0,
    ) -> PartReport:
        """Of a part that stands now."""
        return cls(
            part=index,
            pictures=len(part.pictures),
            labelled=len(part.labelled),
            skipped=part.skipped[:LISTED],
            encoded=encoded,
            from_embeddings=False,
            cosines=cosines,
            embeddings=embeddings,
            seconds=0.0,
        )

    @property
    def files(self) -> dict[str, PartFacts]:
        """What was written, by kind, for the index of the parts."""
        written = {FOLDER: self.cosines}
        if self.embeddings is not None:
            written[EMBEDDINGS_FOLDER] = self.embeddings
        return written

    @property
    def unreadable(self) -> int:
        """How many pictures could not be read."""
        return self.pictures - self.labelled

"""What a form cannot hold is found before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cdul_edge.converting.formats.format import Format
from cdul_edge.converting.labeled_set import LabeledBatch, LabeledSet
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError


@dataclass(frozen=True)
class Tally:
    """What a set holds.

    Attributes:
        pictures: how many.
        present, absent, unknown: entries of each kind.
        blank: pictures of which nothing is known.
        partly: pictures of which some classes are unknown, and others not.
        example: the first of these, and a class that is unknown in it.
        missing: pictures that are not where the set says.
        first_missing: where the first of them should be.
    """

    pictures: int = 0
    present: int = 0
    absent: int = 0
    unknown: int = 0
    blank: int = 0
    partly: int = 0
    example: tuple[str, str] = ("", "")
    missing: int = 0
    first_missing: str = ""

    def with_batch(self, found: LabeledSet, batch: LabeledBatch) -> Tally:
        """This, and one more batch."""
        unknown = batch.labels == -1
        counts = unknown.sum(axis=1)
        partly = np.flatnonzero((counts > 0) & (counts < len(found.classes)))
        example = self.example
        if len(partly) and not self.partly:
            row = int(partly[0])
            example = (batch.paths[row], found.classes.names[int(unknown[row].argmax())])
        return replace(
            self,
            pictures=self.pictures + len(batch.paths),
            present=self.present + int((batch.labels == 1).sum()),
            absent=self.absent + int((batch.labels == 0).sum()),
            unknown=self.unknown + int(counts.sum()),
            blank=self.blank + int((counts == len(found.classes)).sum()),
            partly=self.partly + len(partly),
            example=example,
        )


def examine(found: LabeledSet, form: Format, *, look: bool = False) -> Tally:
    """Count what a set holds, and refuse what the form cannot hold.

    Args:
        found: what is converted.
        form: to what.
        look: also see whether each picture is where the set says.

    Raises:
        CdulEdgeError: two classes that are one to the tool, a name that it cannot hold, a path
            that is no text, or entries that are unknown where it cannot say so.
    """
    refuse_clashes(found.classes, form)
    tally = Tally()
    for batch in found:
        for path in batch.paths:
            refuse_path(path, form)
        tally = tally.with_batch(found, batch)
        if look:
            tally = _with_missing(tally, found, batch)
    if not tally.pictures:
        raise CdulEdgeError(f"{found.source} names no picture: there is nothing to convert")
    if tally.partly and not form.says_unknown:
        path, name = tally.example
        raise CdulEdgeError(
            f"{form.title} cannot say that a label is unknown, and {found.source} leaves some open "
            f"in {tally.partly} picture(s), such as {name!r} in {path!r}: fill them in, or convert "
            "to csv, parquet, or fiftyone"
        )
    if tally.blank == tally.pictures and not form.says_unknown:
        raise CdulEdgeError(f"{found.source} knows nothing of any picture: give some labels")
    return tally


def without_blank(found: LabeledSet, blank: int) -> LabeledSet:
    """The set without the pictures of which nothing is known."""

    def batches() -> Iterator[LabeledBatch]:
        for batch in found:
            rows = np.flatnonzero((batch.labels != -1).any(axis=1))
            if len(rows):
                paths = [batch.paths[row] for row in rows.tolist()]
                scores = None if batch.scores is None else batch.scores[rows]
                yield LabeledBatch(paths, batch.labels[rows], scores)

    return replace(found, count=found.count - blank, batches=batches)


def refuse_clashes(classes: ClassList, form: Format) -> None:
    """Refuse classes that are one to the tool, or that are no text."""
    seen: dict[str, str] = {}
    for name in classes:
        if not _is_text(name):
            raise CdulEdgeError(
                f"the class {name!r} is not UTF-8, as {form.title} needs: rename it"
            )
        other = seen.setdefault(form.fold(name), name)
        if other != name:
            raise CdulEdgeError(
                f"{other!r} and {name!r} are one class to {form.title}: rename one of the two"
            )


def refuse_path(path: str, form: Format) -> None:
    """Refuse a path that is no text, or that the form cannot hold."""
    reason = None if _is_text(path) else "is not UTF-8"
    reason = reason or form.refuse_path(path)
    if reason:
        raise CdulEdgeError(
            f"the path {path!r} {reason}, which {form.title} cannot hold: rename the picture, and "
            "label it again"
        )


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _with_missing(tally: Tally, found: LabeledSet, batch: LabeledBatch) -> Tally:
    if found.local_root is None:
        return tally
    missing = [path for path in map(found.place, batch.paths) if not Path(path).is_file()]
    first = tally.first_missing or next(iter(missing), "")
    return replace(tally, missing=tally.missing + len(missing), first_missing=first)

"""Labels as a run got them beside labels as it left them, compared in passing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge.labels.label_stream import LabelStream, iterate_labels
from cdul_edge.reporting.stages.top_entries import TopEntries
from cdul_edge.storage.location import parse_location
from cdul_edge_runtime.errors import CdulEdgeError

SHOWN = 24
_OF_A_CLASS = 4  # of the shown: one class would else fill them all


class NotComparableError(CdulEdgeError):
    """Labels of other pictures or classes: nothing is wrong with either."""


Singles = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Change:
    """A label that moved.

    Attributes:
        picture: its path; `thumbnail` is its name in the page, None where it cannot be shown.
        label: the class.
        first: its soft label before training, in [0, 1].
        refined: after.
    """

    picture: str
    label: str
    first: float
    refined: float
    thumbnail: str | None


@dataclass(frozen=True)
class Movement:
    """How the labels of all pictures moved.

    Attributes:
        up, down: by class, pictures that got the label, or lost it: each side decides at the
            thresholds that stand in its file.
        mean_change: mean of |refined - first| over all entries.
        largest: the entries that moved most, at most 4 of a class.
        root: the folder that their paths are relative to; None where it is not on this machine.
    """

    up: Counts
    down: Counts
    mean_change: float
    largest: TopEntries
    root: Path | None


def find_first_labels(
    named: str, sha256: str, others: Sequence[Path]
) -> tuple[LabelStream | None, str]:
    """The labels that a run learned from, or why they are not at hand.

    Args:
        named: where the run says that they lay.
        sha256: what it says that they are.
        others: labels that the page shows.
    """
    places = [place for place in (parse_location(named), *others) if isinstance(place, Path)]
    for place in places:
        try:
            stream = iterate_labels(place)
            if stream.sha256() == sha256:
                return stream, ""
        except (CdulEdgeError, OSError):
            continue  # labels that cannot be read are not those
    return None, f"the labels that it learned from are no longer at {named}"


def compare_labels(first: LabelStream, refined: LabelStream) -> Movement:
    """Every entry of the refined labels beside the same one of the first.

    Args:
        first: of N pictures.
        refined: of those, or of some of them, in the same order.

    Raises:
        NotComparableError: a picture that the first labels do not have, or other classes.
        LabelsError: a file that is damaged.
    """
    if list(first.classes) != list(refined.classes):
        raise NotComparableError("the labels before and after training are of other classes")
    count = len(first.classes)
    up, down = np.zeros(count, np.int64), np.zeros(count, np.int64)
    largest, moved = TopEntries(count, _OF_A_CLASS, details=2), 0.0
    for paths, before, after in _side_by_side(first, refined):
        had, has = before >= first.thresholds, after >= refined.thresholds
        up += (has & ~had).sum(axis=0)
        down += (had & ~has).sum(axis=0)
        change = np.abs(after - before)
        moved += float(change.sum(dtype=np.float64))
        largest.add(paths, np.where(change > 0, change, -np.inf), before, after)
    root = refined.root if isinstance(refined.root, Path) else None
    return Movement(up, down, moved / max(refined.count * count, 1), largest, root)


def _side_by_side(
    first: LabelStream, refined: LabelStream
) -> Iterator[tuple[Sequence[str], Singles, Singles]]:
    before = first.read(("path", "scores"))
    held_paths: list[str] = []
    held = np.empty((0, len(first.classes)), np.float32)
    for rows in refined.read(("path", "scores")):
        if not rows.paths:
            continue
        places: dict[str, int] = {path: i for i, path in enumerate(held_paths)}
        while rows.paths[-1] not in places:
            more = next(before, None)
            if more is None:
                raise NotComparableError(f"{rows.paths[-1]!r} is not among the first labels")
            start = len(held_paths)
            places |= {path: start + i for i, path in enumerate(more.paths)}
            held_paths += more.paths
            held = np.concatenate([held, more.scores])
        missing = next((path for path in rows.paths if path not in places), None)
        if missing is not None:
            raise NotComparableError(
                f"{missing!r} is not among the first labels, or in another order"
            )
        yield rows.paths, held[[places[path] for path in rows.paths]], rows.scores
        done = places[rows.paths[-1]] + 1
        held_paths, held = held_paths[done:], held[done:]

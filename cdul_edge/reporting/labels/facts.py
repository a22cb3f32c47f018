"""What the section of labels shows: as JSON it stands in the report under /sections/labels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LabelClass:
    """One class.

    Attributes:
        threshold: a score at or above it names the class; None for one that is never named.
        above: pictures that it names.
        share: the same, of all pictures.
        prevalence: share of the pictures that show it, as labeling estimated from the whole set;
            None where its strategy does not.
        mean_score: of all pictures.
        doubtful: share of pictures whose score is nearer to the threshold than half of the way to
            0 or 1; None for a class that is never named.
        histogram: pictures by score, in bins of equal width over [0, 1].
    """

    name: str
    threshold: float | None
    above: int
    share: float
    prevalence: float | None
    mean_score: float
    doubtful: float | None
    histogram: tuple[int, ...]


@dataclass(frozen=True)
class ShownPicture:
    """A picture as an example.

    Attributes:
        picture: its name in the page; None where it could not be opened.
        score: of the class that it is an example of; None where it is of none.
        whole, snippets: of a contested one, CLIP's softmax of the whole picture, and the highest
            of its snippets.
    """

    path: str
    picture: str | None
    score: float | None = None
    whole: float | None = None
    snippets: float | None = None


@dataclass(frozen=True)
class ShownClass:
    """A class in full.

    Attributes:
        index: of it in `classes`.
        surest, doubtful, contested: pictures, the foremost first.
    """

    index: int
    surest: tuple[ShownPicture, ...]
    doubtful: tuple[ShownPicture, ...]
    contested: tuple[ShownPicture, ...]


@dataclass(frozen=True)
class Pair:
    """Two classes that pictures show together.

    Attributes:
        both: pictures with both labels.
        of_first, of_second: the same as shares of the pictures with each.
    """

    first: str
    second: str
    both: int
    of_first: float
    of_second: float


@dataclass(frozen=True)
class Unreadable:
    """A picture that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class LabelsFacts:
    """The whole section.

    Attributes:
        pictures: that are labeled.
        labels: scores that reach their threshold; `per_picture` is their mean number.
        without: pictures without any label, and `without_share` of all.
        unreadable: pictures that could not be read; None where the labels do not say.
        strategy: that made the scores; None where they do not say.
        labels_per_picture: pictures by their number of labels, from 0 to the highest.
        classes: every one, in order; `class_count` is how many.
        shown: those in full, and `shown_why` how they were chosen.
        together: of each class (row) the share of its pictures that show another (column); empty
            for many classes. None on the diagonal, and in the row of a class that nothing shows.
        pairs: the most frequent.
        nobody: classes without any picture; `nearly_all` those of nearly every picture.
        empty: some pictures without a label; `unreadables` some that could not be read.
        contested_why: why no contested pictures are shown.
        root: where the pictures lay when they were labeled.
        asked_for: pictures that the section shows, and `found` those of them that could be opened.
    """

    pictures: int
    class_count: int
    labels: int
    per_picture: float
    without: int
    without_share: float
    unreadable: int | None
    strategy: str | None
    labels_per_picture: tuple[int, ...]
    classes: tuple[LabelClass, ...]
    shown: tuple[ShownClass, ...]
    shown_why: str
    together: tuple[tuple[float | None, ...], ...]
    pairs: tuple[Pair, ...]
    nobody: tuple[str, ...]
    nearly_all: tuple[str, ...]
    empty: tuple[ShownPicture, ...]
    unreadables: tuple[Unreadable, ...]
    contested_why: str | None
    root: str
    asked_for: int
    found: int

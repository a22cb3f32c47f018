"""What a study can be about: photographs, similarities that someone computed, or a drawn world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cdul_edge_runtime.choices import Difficult
from cdul_edge_runtime.errors import CdulEdgeError


@dataclass(frozen=True)
class Photographs:
    """A dataset with truth.

    Attributes:
        images: pictures to learn from, as `label` takes them.
        classes: class file.
        clip: the CLIP that labels.
        pretrained: its weights.
        train_truth: what `images` show, or a part of them: it is reported against, and observations
            are drawn from it.
        val: held-out pictures.
        truth: what they show.

    Raises:
        CdulEdgeError: a file or folder that does not exist.
    """

    images: Path
    classes: Path
    clip: str
    train_truth: Path
    val: Path
    truth: Path
    pretrained: str | None = None
    difficult: Difficult = "negative"

    def __post_init__(self) -> None:
        _require(self.images, self.classes, self.train_truth, self.val, self.truth)

    def to_dict(self) -> dict[str, object]:
        """Plain values; paths are absolute."""
        return _plain(vars(self))


@dataclass(frozen=True)
class KnownSimilarities:
    """A dataset with truth whose CLIP outputs are known, among those of other pictures perhaps.

    Labels are made from every row of the file, so that a set's statistics are those of all its
    pictures; networks learn from the rows whose pictures are in `images`.

    Attributes:
        similarities: as `label --from-similarities` reads it; its classes are those of the study.
        images: pictures to learn from: a folder or a list. Rows are found by path, file name or
            stem.
        train_truth, val, truth, difficult: as of `Photographs`.
        made_with: temperature of the file's softmax values; None takes the file's, or detects it.

    Raises:
        CdulEdgeError: a file or folder that does not exist.
    """

    similarities: Path
    images: Path
    train_truth: Path
    val: Path
    truth: Path
    made_with: float | None = None
    difficult: Difficult = "negative"

    def __post_init__(self) -> None:
        _require(self.similarities, self.images, self.train_truth, self.val, self.truth)

    def to_dict(self) -> dict[str, object]:
        """Plain values; paths are absolute."""
        return _plain(vars(self))


@dataclass(frozen=True)
class DrawnWorld:
    """One painted world of so many pictures per seed, labeled by the tiny CLIP.

    Raises:
        CdulEdgeError: too few pictures to learn from or to judge on.
    """

    train: int
    heldout: int

    def __post_init__(self) -> None:
        if self.train < 2 or self.heldout < 1:
            raise CdulEdgeError(
                f"a drawn world of {self.train} and {self.heldout} pictures: expected at least 2 "
                "to learn from and 1 to judge on"
            )

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {"drawn_world": [self.train, self.heldout]}


Source = Photographs | KnownSimilarities


def _require(*paths: Path) -> None:
    missing = list(dict.fromkeys(str(path) for path in paths if not path.exists()))
    if missing:
        raise CdulEdgeError(f"{', '.join(missing)} does not exist: check the path")


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    return {k: str(v.resolve()) if isinstance(v, Path) else v for k, v in values.items()}

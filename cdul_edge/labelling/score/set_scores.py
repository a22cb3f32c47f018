"""What a store says of its pictures, whichever strategy read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cdul_edge.labelling.arrays import Singles
from cdul_edge.labels.manifest import LabelsManifest, SkippedPicture


@dataclass(frozen=True)
class SetScores:
    """Scores of the N readable pictures of a store.

    Attributes:
        paths: N paths.
        scores: (N, C) in [0, 1].
        cosines: (N, C) of the whole pictures, up to a constant per picture; None without any.
        skipped: the other pictures.
        settings: how the scores were made; plain values.
        notes: what went otherwise than asked, for the user; one line each.
    """

    paths: tuple[str, ...]
    scores: Singles
    cosines: Singles | None
    skipped: tuple[SkippedPicture, ...]
    settings: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Scorer(Protocol):
    """A strategy with its settings."""

    def score(self, folder: Path, manifest: LabelsManifest) -> SetScores:
        """Score every readable picture of the finished store in `folder`."""

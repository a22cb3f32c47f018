"""The thresholds of a finished run, found without truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.methods.base import Supervision, keep_observed
from cdul_edge.training.methods.known_labels import observed_prevalence
from cdul_edge_runtime.bundle.thresholds import (
    DEFAULT_RULE,
    prevalence_thresholds,
    thresholds_for_new_pictures,
)

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Expected:
    """How often each class is to be predicted.

    Attributes:
        prevalence: (C,) share of pictures, in [0, 1].
        exactly: people said so, by observed labels alone or by a rule of thresholds that they chose
            for the pseudo-labels; otherwise it is what the pseudo-labels add up to.
    """

    prevalence: Floats
    exactly: bool

    @classmethod
    def of(cls, labels: PseudoLabels, known: Supervision) -> Expected:
        """What a run's labels say; where people saw a picture, they count."""
        if known.observed_only:
            return cls(observed_prevalence(known.observed).numpy(), exactly=True)
        exactly = not _by_default(labels.provenance)
        shown = labels.scores >= labels.thresholds if exactly else labels.scores
        kept = keep_observed(torch.from_numpy(shown.astype(np.float32)), known.observed)
        return cls(kept.numpy().mean(axis=0, dtype=np.float64).astype(np.float32), exactly)

    def thresholds(self, scores: Floats) -> Floats:
        """(C,) thresholds of a network for new pictures, of its (N, C) scores of the training's."""
        if self.exactly:
            return prevalence_thresholds(scores, self.prevalence)
        return thresholds_for_new_pictures(scores, self.prevalence)


def _by_default(provenance: Mapping[str, object]) -> bool:
    """Whether `cdul-edge label` chose the labels' thresholds by its own rule."""
    scoring = provenance.get("aggregation")
    return isinstance(scoring, Mapping) and scoring.get("thresholds") == DEFAULT_RULE

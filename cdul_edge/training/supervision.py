"""What a method is told, and how often a class is expected, from labels of either source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from cdul_edge.training.methods.base import Supervision, keep_observed
from cdul_edge.training.methods.known_labels import know_observed_only, observed_prevalence

if TYPE_CHECKING:
    from cdul_edge.labels.pseudo_labels import PseudoLabels
    from cdul_edge.training.config import TrainConfig
    from cdul_edge.training.data.observed import ObservedLabels


def supervise(
    config: TrainConfig, labels: PseudoLabels, observed: ObservedLabels | None
) -> Supervision:
    """What the configured method is told of these pictures.

    Where the observed labels are all there is, the pseudo-labels' scores are not read; CLIP's
    similarities stay, for the methods whose paper uses them.
    """
    cosines = None if labels.cosines is None else torch.from_numpy(labels.cosines)
    if observed is not None and observed.alone:
        seen = torch.from_numpy(observed.values)
        return know_observed_only(seen, cosines=cosines, epochs=config.epochs)
    scores = torch.from_numpy(labels.scores)
    none = torch.zeros(scores.shape, dtype=torch.int8)
    return Supervision(
        scores=scores,
        observed=none if observed is None else torch.from_numpy(observed.values),
        cosines=cosines,
        hard=config.labels == "hard",
        epochs=config.epochs,
    )


def expected_prevalence(labels: PseudoLabels, known: Supervision) -> npt.NDArray[np.float32]:
    """(C,) share of pictures that show a class.

    As the labels' own thresholds say, or as often as people saw it; of observed labels alone, as
    `observed_prevalence` finds it.
    """
    if known.observed_only:
        return observed_prevalence(known.observed).numpy()
    shown = torch.from_numpy((labels.scores >= labels.thresholds).astype(np.float32))
    kept = keep_observed(shown, known.observed).numpy()
    return np.asarray(kept.mean(axis=0))

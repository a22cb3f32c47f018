"""What a method is told, from labels of either source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cdul_edge.training.methods.base import Supervision
from cdul_edge.training.methods.known_labels import know_observed_only

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

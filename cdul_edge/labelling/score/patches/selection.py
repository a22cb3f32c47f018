"""The surest patches of each class, kept while millions stream by (PIAA, arXiv 2605.25821)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cdul_edge.labelling.arrays import Doubles, Floats, Ints


@dataclass(frozen=True)
class Patches:
    """B patches, by class, then from the surest to the least sure.

    Attributes:
        classes: (B,) the class whose text is most like the patch.
        entropies: (B,) of the patch's shares over the classes, in nats; low is sure.
        confidences: (B,) the share of its own class.
        places: (B,) number of the patch in the whole store; settles ties, so that what is kept
            does not hang on the order of merging.
        embeddings: (B, D) unit vectors.
    """

    classes: Ints
    entropies: Doubles
    confidences: Doubles
    places: Ints
    embeddings: Floats

    def __len__(self) -> int:
        return len(self.classes)

    def rows(self, chosen: Ints) -> Patches:
        """Some of them."""
        return Patches(
            self.classes[chosen],
            self.entropies[chosen],
            self.confidences[chosen],
            self.places[chosen],
            self.embeddings[chosen],
        )


def select_patches(
    embeddings: Floats, cosines: Floats, *, temperature: float, per_class: int, first: int
) -> Patches:
    """The `per_class` patches of lowest entropy among those that are most like each class.

    Args:
        embeddings: (M, P, D) of M pictures.
        cosines: (M, P, C) of the same patches.
        temperature: divides the cosines before the softmax over the classes.
        per_class: how many patches a class keeps; K in the paper.
        first: place of the first patch.
    """
    flat = cosines.reshape(-1, cosines.shape[-1])
    logs = _log_softmax(flat, temperature)
    entropies = -(np.exp(logs) * logs).sum(axis=1)
    classes = flat.argmax(axis=1)
    places = np.arange(first, first + len(flat))
    chosen = _surest(classes, entropies, places, per_class)
    return Patches(
        classes[chosen],
        entropies[chosen],
        np.exp(logs[chosen, classes[chosen]]),
        places[chosen],
        embeddings.reshape(-1, embeddings.shape[-1])[chosen],
    )


def merge_patches(selections: Sequence[Patches], per_class: int) -> Patches:
    """What `select_patches` would have kept of all the pictures at once, in whatever order."""
    joined = Patches(
        *(
            np.concatenate([getattr(some, name) for some in selections])
            for name in ("classes", "entropies", "confidences", "places", "embeddings")
        )
    )
    return joined.rows(_surest(joined.classes, joined.entropies, joined.places, per_class))


def _surest(classes: Ints, entropies: Doubles, places: Ints, per_class: int) -> Ints:
    """Rows of the first `per_class` of every class, by class, entropy and place."""
    order = np.lexsort((places, entropies, classes))
    ordered = classes[order]
    starts = np.searchsorted(ordered, ordered)  # where each row's class begins
    kept: Ints = order[np.arange(len(order)) - starts < per_class]
    return kept


def _log_softmax(cosines: Floats, temperature: float) -> Doubles:
    logits = cosines.astype(np.float64) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    logs: Doubles = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return logs

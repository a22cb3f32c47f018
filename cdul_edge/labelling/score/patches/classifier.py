"""A classifier of patches learned from no label: one Gaussian a class, one covariance for all.

Class texts lie in another region of CLIP's space than pictures do. PIAA (arXiv 2605.25821) learns
from the surest patches what a class looks like instead: their mean for each class, and a covariance
that the classes share, give the logits of linear discriminant analysis in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cdul_edge.labelling.arrays import Doubles, Floats, Ints, softmax
from cdul_edge.labelling.score.patches.selection import Patches

# Squared lengths that are rounding only, a dimension: unit vectors in float16 have 1e-7 at most.
_NO_SPREAD = 1e-12


@dataclass(frozen=True)
class PatchClassifier:
    """Linear logits of the G classes that have patches.

    Attributes:
        present: (G,) their columns, ascending.
        means: (G, D).
        weights: (G, D) and offsets (G,): x's logits are weights x + offsets; classes are equally
            likely beforehand.
        spread: whether the patches differ at all; without, distances are plain Euclidean.
    """

    present: Ints
    means: Doubles
    weights: Floats
    offsets: Floats
    spread: bool

    def shares(self, embeddings: Floats, temperature: float) -> Floats:
        """Softmax over the G classes of logits / temperature, (…, G) of unit vectors (…, D)."""
        # one product of matrices: numpy would make one a picture, thirty times slower
        flat = embeddings.reshape(-1, embeddings.shape[-1]).astype(np.float32, copy=False)
        shares = softmax(flat @ self.weights.T + self.offsets, temperature, np.float32)
        return shares.reshape(*embeddings.shape[:-1], len(self.present))


def fit_gaussians(patches: Patches) -> PatchClassifier:
    """Class means weighted by confidence, and the covariance around them.

    The covariance is ((n - 1) S + tr(S) I) / D, n patches with the sample covariance S, as in PIAA
    and in Wang et al. (ICLR 2024), after Kubokawa and Srivastava (2008): S shrunk to the scaled
    identity with weight D / (D + n - 1), which can always be inverted, times (D + n - 1) / D. That
    scale belongs to the temperature that goes with it.
    """
    present = np.unique(patches.classes)
    means = np.empty((len(present), patches.embeddings.shape[1]))
    return _fit(present, means, np.searchsorted(present, patches.classes), patches)


def refit_gaussians(
    first: PatchClassifier, patches: Patches, temperature: float
) -> tuple[PatchClassifier, tuple[int, ...]]:
    """Fit once more, on the patches that the first fit is sure of.

    Each patch moves to the class of its highest share; a class keeps those that reach the mean plus
    one (population) standard deviation of its patches' shares, and weights them by their share.

    Returns:
        The classifier, and the columns of the classes for which no patch passed: they keep their
        first mean.
    """
    shares = first.shares(patches.embeddings, temperature).astype(np.float64)
    rows, best = shares.argmax(axis=1), shares.max(axis=1)
    kept = np.zeros(len(patches), bool)
    for row in np.unique(rows):
        own = rows == row
        # equal shares all pass, whatever the rounding of their mean
        kept |= own & (best >= best[own].mean() + best[own].std() - 1e-12)
    if not kept.any():
        return first, tuple(first.present.tolist())
    chosen = replace(patches.rows(np.flatnonzero(kept)), confidences=best[kept])
    again = _fit(first.present, first.means.copy(), rows[kept], chosen)
    lost = np.setdiff1d(np.arange(len(first.present)), rows[kept])
    return again, tuple(first.present[lost].tolist())


def _fit(present: Ints, means: Doubles, rows: Ints, patches: Patches) -> PatchClassifier:
    """Fit to patches whose classes are `rows` of `present`; `means` where a class has none."""
    width = means.shape[1]
    scatter = np.zeros((width, width))
    for row in np.unique(rows):  # class by class: of all, float64 would be four times the patches
        own = rows == row
        vectors = patches.embeddings[own].astype(np.float64)
        means[row] = np.average(vectors, axis=0, weights=patches.confidences[own])
        centered = vectors - means[row]
        scatter += centered.T @ centered
    count, trace = len(patches), float(np.trace(scatter))
    spread = count > 1 and trace > width * _NO_SPREAD
    covariance = np.eye(width)
    if spread:
        covariance = (scatter + trace / (count - 1) * np.eye(width)) / width
    weights = np.linalg.solve(covariance, means.T).T
    offsets = -(weights * means).sum(axis=1) / 2
    return PatchClassifier(
        present, means, weights.astype(np.float32), offsets.astype(np.float32), spread
    )

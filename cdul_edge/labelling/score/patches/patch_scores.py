"""From stored patch tokens to one score a class (PIAA, arXiv 2605.25821); numpy only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from cdul_edge.labelling.arrays import Floats, Ints, Singles, softmax
from cdul_edge.labelling.score.patches.classifier import (
    PatchClassifier,
    fit_gaussians,
    refit_gaussians,
)
from cdul_edge.labelling.score.patches.selection import Patches, merge_patches, select_patches
from cdul_edge.labelling.score.sample import SAMPLE, choose_sample, describe_sample
from cdul_edge.labelling.score.scorer import PartScores
from cdul_edge.labelling.store.reader import StoreReader
from cdul_edge_runtime.errors import CdulEdgeError

NAMED = 5


@dataclass(frozen=True)
class PatchScoring:
    """How patches become scores; the defaults are those of PIAA's paper and code for VOC.

    Attributes:
        temperature: of the model, 1 / logit_scale; 0.01 for OpenAI's.
        selection: times `temperature`, of the softmax that sorts patches by entropy; 1 / 60 there.
        patches_per_class: K, how many patches a class keeps.
        gaussian: temperature of the classifier's logits, a dimension of the embedding: 500 for the
            512 of ViT-B/16. Squared distances are sums over the dimensions.
        contrast: tau, by which a picture's best shares are multiplied before the softmax over the
            classes, times sqrt(C / 20). PIAA has 200 for 20 classes, 400 for 80 and for 81.
        whole: times `temperature`, of the whole picture's softmax; 1 / 80 there (1 / 10 for
            NUS-WIDE).
        whole_weight: of the whole picture in the score; the patches have the rest.
        sample: from how many pictures the classifier is learned.
        salt: chooses them; for trials.

    Raises:
        CdulEdgeError: a value out of its range.
    """

    temperature: float
    selection: float = 100 / 60
    patches_per_class: int = 512
    gaussian: float = 500 / 512
    contrast: float = 200.0
    whole: float = 100 / 80
    whole_weight: float = 0.1
    sample: int = SAMPLE
    salt: str = ""

    def __post_init__(self) -> None:
        for name in ("temperature", "selection", "gaussian", "contrast", "whole"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise CdulEdgeError(f"{name} of the patch scores is {value}, not above 0")
        if self.patches_per_class < 1:
            raise CdulEdgeError("a class must keep at least one patch")
        if not 0 <= self.whole_weight <= 1:
            raise CdulEdgeError(f"the whole picture's weight {self.whole_weight} is not in [0, 1]")

    def to_dict(self) -> dict[str, object]:
        """Plain values for a manifest."""
        shown = {k: v for k, v in asdict(self).items() if k not in ("sample", "salt")}
        return {"strategy": "patches", **shown}

    def fit(self, store: StoreReader, classes: tuple[str, ...]) -> FittedPatches:
        """Learn the classifier from the sample's patches.

        Memory holds a part, and the kept patches.
        """
        sample = choose_sample(store, self.sample, self.salt)
        kept: list[Patches] = []
        place = 0
        for index, rows in sample.rows.items():
            cosines = store.cosines(index)
            embeddings = store.embeddings(index, cosines.paths)
            found = select_patches(
                embeddings.values[rows, 1:],
                cosines.values[rows, 1:],
                temperature=self.selection * self.temperature,
                per_class=self.patches_per_class,
                first=place,
            )
            kept = [merge_patches([*kept, found], self.patches_per_class)]
            place += len(rows) * (embeddings.values.shape[1] - 1)
        settings = {**self.to_dict(), **describe_sample(sample)}
        if not kept:
            return FittedPatches(self, None, settings, ())
        classifier, notes = learn_classifier(kept[0], self, classes)
        return FittedPatches(self, classifier, settings, notes)


@dataclass(frozen=True)
class FittedPatches:
    """A classifier that the store's surest patches made.

    Attributes:
        scoring: how patches become scores.
        classifier: None where no picture could be read.
        settings, notes: as of every fitted scorer.
    """

    scoring: PatchScoring
    classifier: PatchClassifier | None
    settings: Mapping[str, object]
    notes: tuple[str, ...]

    def apply(self, store: StoreReader, index: int) -> PartScores:
        """Score one part."""
        cosines = store.cosines(index)
        whole = np.asarray(cosines.values[:, 0], np.float32)
        if self.classifier is None or not cosines.labelled:
            return PartScores(cosines.labelled, whole, whole, cosines.skipped)
        embeddings = store.embeddings(index, cosines.paths)
        best = best_shares(self.classifier, embeddings.values[:, 1:], self.scoring)
        scores = combine_scores(whole, best, self.classifier.present, self.scoring)
        return PartScores(cosines.labelled, scores, whole, cosines.skipped)


def learn_classifier(
    patches: Patches, scoring: PatchScoring, classes: Sequence[str]
) -> tuple[PatchClassifier, tuple[str, ...]]:
    """Fit twice; and say of which classes, or of what, it could not be done."""
    width = patches.embeddings.shape[1]
    first = fit_gaussians(patches)
    classifier, lost = refit_gaussians(first, patches, scoring.gaussian * width)
    notes = []
    absent = sorted(set(range(len(classes))) - set(classifier.present.tolist()))
    if absent:
        notes.append(
            f"no patch shows {_names(classes, absent)} most: scored by the whole picture alone"
        )
    if lost:
        notes.append(
            f"no patch of {_names(classes, lost)} stood out: kept as the first fit left them"
        )
    if not classifier.spread:
        notes.append("the patches of each class are all alike: plain distances are used")
    return classifier, tuple(notes)


def best_shares(classifier: PatchClassifier, embeddings: Floats, scoring: PatchScoring) -> Floats:
    """Highest share of every class over the patches of a picture: (M, P, D) to (M, G)."""
    shares = classifier.shares(embeddings, scoring.gaussian * embeddings.shape[-1])
    best: Floats = shares.max(axis=1)
    return best


def combine_scores(whole: Floats, best: Floats, present: Ints, scoring: PatchScoring) -> Singles:
    """Whole picture and patches; a class without patches has the whole picture's share.

    Args:
        whole: (N, C) cosines of the whole pictures.
        best: (N, G) best shares of the classes that have patches.
        present: (G,) their columns.
        scoring: the settings.

    Returns:
        (N, C) in [0, 1].
    """
    scores = softmax(whole, scoring.whole * scoring.temperature)
    contrast = scoring.contrast * math.sqrt(whole.shape[1] / 20)
    patches = softmax(best.astype(np.float64) * contrast)
    weight = scoring.whole_weight
    scores[:, present] = weight * scores[:, present] + (1 - weight) * patches
    return np.clip(scores, 0.0, 1.0).astype(np.float32)  # rounding may reach 1 + 1e-16


def _names(classes: Sequence[str], columns: Sequence[int]) -> str:
    named = ", ".join(classes[column] for column in columns[:NAMED])
    return f"{named} and {len(columns) - NAMED} more classes" if len(columns) > NAMED else named

"""Patch scores: what is kept of the stream, the Gaussians, and a picture's score, by hand."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from cdul_edge.labelling.score.patches.classifier import (
    PatchClassifier,
    fit_gaussians,
    refit_gaussians,
)
from cdul_edge.labelling.score.patches.patch_scores import (
    PatchScoring,
    best_shares,
    combine_scores,
    learn_classifier,
)
from cdul_edge.labelling.score.patches.selection import Patches, merge_patches, select_patches
from cdul_edge_runtime.errors import CdulEdgeError


def patches(vectors: Any, classes: Any, confidences: Any = None) -> Patches:
    """Patches that need no entropies."""
    count = len(classes)
    ones = np.ones(count) if confidences is None else np.array(confidences, float)
    return Patches(
        np.array(classes), np.zeros(count), ones, np.arange(count), np.array(vectors, np.float32)
    )


def stream(seed: int = 0, pictures: int = 12, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (N, 9, 6) and cosines (N, 9, C)."""
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(pictures, 9, 6)).astype(np.float32)
    return embeddings, rng.uniform(-0.1, 0.4, (pictures, 9, classes)).astype(np.float32)


def test_a_class_keeps_its_surest_patches() -> None:
    shares = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]])
    # the logarithm of shares at temperature 1 gives those shares back
    found = select_patches(
        np.eye(4, dtype=np.float32)[None],
        np.log(shares)[None],
        temperature=1,
        per_class=2,
        first=10,
    )
    assert found.classes.tolist() == [0, 0, 1]
    assert found.places.tolist() == [10, 12, 13]
    assert found.confidences == pytest.approx([0.9, 0.8, 0.7])
    assert found.entropies[0] == pytest.approx(-0.9 * np.log(0.9) - 0.1 * np.log(0.1))
    assert (found.embeddings == np.eye(4)[[0, 2, 3]]).all()


@pytest.mark.parametrize("per_class", [1, 5, 1000])
def test_merged_in_any_order_they_are_those_of_all_at_once(per_class: int) -> None:
    embeddings, cosines = stream()
    cosines[5:9] = cosines[1:5]  # patches that tie

    def select(part: slice) -> Patches:
        return select_patches(
            embeddings[part],
            cosines[part],
            temperature=0.02,
            per_class=per_class,
            first=9 * part.start,
        )

    at_once = select(slice(0, 12))
    assert np.bincount(at_once.classes).max() <= per_class
    for order in permutations([slice(0, 5), slice(5, 6), slice(6, 12)]):
        merged = merge_patches([select(order[0])], per_class)
        for part in order[1:]:
            merged = merge_patches([merged, select(part)], per_class)
        for name in ("classes", "places", "entropies", "confidences", "embeddings"):
            assert (getattr(merged, name) == getattr(at_once, name)).all(), name


def test_two_gaussians_by_hand() -> None:
    # Means (1, 0) and (-1, 0); scatter diag(0, 4), trace 4, n 4, D 2: the covariance is
    # (diag(0, 4) + 4 / 3) / 2 = diag(2 / 3, 8 / 3), its inverse diag(3 / 2, 3 / 8).
    found = fit_gaussians(patches([(1, 1), (1, -1), (-1, 1), (-1, -1)], [0, 0, 2, 2]))
    assert found.present.tolist() == [0, 2]
    assert found.means.tolist() == [[1, 0], [-1, 0]]
    assert found.weights == pytest.approx(np.array([[1.5, 0], [-1.5, 0]]))
    assert found.offsets == pytest.approx([-0.75, -0.75])
    # between the means neither; at (1, 0) the logits are 0.75 and -2.25
    shares = found.shares(np.array([[0, 7], [1, 0]], np.float32), temperature=3.0)
    assert shares == pytest.approx(np.array([[0.5, 0.5], [1 / (1 + np.exp(-1)), 1 / (1 + np.e)]]))


def test_means_are_weighted_by_confidence() -> None:
    found = fit_gaussians(patches([(1, 1), (1, -1), (0, 0)], [0, 0, 1], [0.75, 0.25, 0.5]))
    assert found.means.tolist() == [[1, 0.5], [0, 0]]


def test_the_classifier_is_shrunk_linear_discriminant_analysis() -> None:
    rng = np.random.default_rng(0)
    width, labels = 5, np.repeat([0, 1, 2], [30, 20, 10])
    vectors = rng.normal(size=(60, width)) @ rng.normal(size=(width, width)) + labels[:, None]
    found = fit_gaussians(patches(vectors, labels))
    ratio = width / 59
    known = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=ratio / (1 + ratio)).fit(
        vectors.astype(np.float32).astype(float), labels
    )
    scale = 60 / width * (1 + ratio)  # of the covariance, beyond the shrinkage
    assert found.weights * scale == pytest.approx(known.coef_, rel=1e-4, abs=1e-5)
    unprejudiced = known.intercept_ - np.log(known.priors_)
    assert found.offsets * scale == pytest.approx(unprejudiced, rel=1e-4)


def test_the_second_fit_uses_what_the_first_is_sure_of() -> None:
    rng = np.random.default_rng(1)
    vectors = np.concatenate([rng.normal(-1, 1, (40, 3)), rng.normal(1, 1, (40, 3))])
    given = patches(vectors, np.repeat([3, 5], 40))
    first = fit_gaussians(given)
    again, lost = refit_gaussians(first, given, temperature=2.0)
    shares = first.shares(given.embeddings, 2.0).astype(float)
    kept, weights, classes = [], [], []
    for row, column in enumerate((3, 5)):  # patch by patch, from the definition
        own = [i for i in range(80) if shares[i].argmax() == row]
        least = np.mean(shares[own, row]) + np.std(shares[own, row])
        passed = [i for i in own if shares[i, row] >= least]
        assert 1 < len(passed) < 20
        kept += passed
        weights += [shares[i, row] for i in passed]
        classes += [column] * len(passed)
    expected = fit_gaussians(patches(vectors[kept], classes, weights))
    assert lost == ()
    assert again.weights == pytest.approx(expected.weights, rel=1e-4)
    assert again.offsets == pytest.approx(expected.offsets, rel=1e-4)


def test_a_class_that_loses_its_patches_keeps_its_first_mean() -> None:
    # class 1's only patch lies at the others' mean, and there class 0 has the higher share
    vectors = [(1.0, 0.0), (1.0, 0.2), (1.0, -0.2), (1.0, 0.01)]
    given = patches(vectors, [0, 0, 0, 1], [1, 1, 1e-9, 1])
    first = PatchClassifier(
        np.array([0, 1]),
        np.array([[1.0, 0.0], [5.0, 5.0]]),
        np.array([[1.0, 0], [0, 0]], np.float32),
        np.zeros(2, np.float32),
        True,
    )
    again, lost = refit_gaussians(first, given, temperature=1.0)
    assert lost == (1,)
    assert again.means[1].tolist() == [5.0, 5.0]
    assert again.present.tolist() == [0, 1]


def test_a_score_is_the_whole_and_the_best_patches_by_hand() -> None:
    scoring = PatchScoring(temperature=0.01)
    whole = np.zeros((2, 5))
    whole[1, 0] = 0.0125 * np.log(4)  # at 1.25 x 0.01 a share of 4 / 8
    best = np.full((2, 5), 0.2)
    best[0, 3] = 0.2 + np.log(6) / 100  # 200 sqrt(5 / 20) = 100: a share of 6 / 10
    scores = combine_scores(whole, best, np.arange(5), scoring)
    assert scores.dtype == np.float32
    assert scores[0] == pytest.approx([0.11, 0.11, 0.11, 0.1 * 0.2 + 0.9 * 0.6, 0.11])
    assert scores[1] == pytest.approx([0.1 * 0.5 + 0.9 * 0.2, *[0.1 * 0.125 + 0.9 * 0.2] * 4])


def test_a_class_without_patches_has_the_whole_pictures_share() -> None:
    whole = np.log([[0.2, 0.3, 0.5]]) * 0.0125
    scores = combine_scores(whole, np.array([[0.5, 0.5]]), np.array([0, 2]), PatchScoring(0.01))
    assert scores[0] == pytest.approx([0.02 + 0.45, 0.3, 0.05 + 0.45])


def test_the_contrast_is_the_papers_at_20_and_80_classes() -> None:
    for count, published in ((20, 200), (80, 400)):
        best = np.zeros((1, count))
        best[0, 0] = 1 / published
        scores = combine_scores(
            np.zeros((1, count)), best, np.arange(count), PatchScoring(0.01, whole_weight=0)
        )
        assert scores[0, 0] / scores[0, 1] == pytest.approx(np.e, rel=1e-5)


def test_the_best_patch_counts_wherever_it_lies() -> None:
    classifier = fit_gaussians(patches([(1, 1), (1, -1), (-1, 1), (-1, -1)], [0, 0, 1, 1]))
    scoring = PatchScoring(0.01)
    pictures = np.array([[(0, 0), (1, 0)], [(1, 0), (0, 0)], [(0, 0), (0, 0)]], np.float32)
    best = best_shares(classifier, pictures, scoring)
    assert (best[0] == best[1]).all()
    # logits 0.75 and -2.25 at temperature 500 / 512 x 2
    assert best[0, 0] == pytest.approx(1 / (1 + np.exp(-3 / (1000 / 512))))
    assert best[2].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("vectors", "classes", "named", "noted"),
    [
        (np.full((6, 3), 0.5), [1] * 6, "abc", ["no patch shows a, c most", "all alike"]),
        ([(1, 0, 0)], [2], "abc", ["no patch shows a, b most", "all alike"]),
        ([(1, 0, 0), (0, 1, 0)], [0, 1], "ab", ["all alike"]),
        (np.eye(3), [1, 1, 1], "abcdefgh", ["no patch shows a, c, d, e, f and 2 more classes"]),
    ],
)
def test_too_few_or_equal_patches_give_finite_scores_and_say_so(
    vectors: Any, classes: Any, named: str, noted: list[str]
) -> None:
    scoring = PatchScoring(0.01)
    classifier, notes = learn_classifier(patches(vectors, classes), scoring, list(named))
    assert len(notes) == len(noted)
    for note, words in zip(notes, noted, strict=True):
        assert words in note
    best = best_shares(classifier, np.zeros((2, 4, 3), np.float32), scoring)
    scores = combine_scores(np.zeros((2, len(named))), best, classifier.present, scoring)
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()


def test_permuting_pictures_or_classes_permutes_what_is_learned() -> None:
    embeddings, cosines = stream(classes=4)
    scoring = PatchScoring(0.01, patches_per_class=10)

    def score(embeddings: np.ndarray, cosines: np.ndarray) -> np.ndarray:
        chosen = select_patches(embeddings, cosines, temperature=0.02, per_class=10, first=0)
        classifier, notes = learn_classifier(chosen, scoring, list("abcd"))
        assert notes == ()
        best = best_shares(classifier, embeddings, scoring)
        return combine_scores(cosines[:, 0], best, classifier.present, scoring)

    scores = score(embeddings, cosines)
    order, columns = np.random.default_rng(2).permutation(12), [2, 0, 3, 1]
    assert score(embeddings[order], cosines[order]) == pytest.approx(scores[order], abs=1e-5)
    permuted = score(embeddings, cosines[:, :, columns])
    assert permuted == pytest.approx(scores[:, columns], abs=1e-5)
    assert scores.std() > 0.01


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"gaussian": -1.0},
        {"patches_per_class": 0},
        {"whole_weight": 1.5},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CdulEdgeError):
        PatchScoring(**{"temperature": 0.01, **wrong})

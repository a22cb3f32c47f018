"""Scores from the whole set: laws, and what the rivals explain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cdul_edge.labelling.score.aggregation import Aggregation
from cdul_edge.labelling.score.evidence import EvidenceFit, fit_evidence, refuse_reason
from cdul_edge.labelling.score.evidence_model import EvidenceScoring
from cdul_edge.labelling.score.set_statistics import SetViews, gather_views
from cdul_edge.labelling.store.parts import Part
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge.labels.settings import Snippets
from cdul_edge_runtime.metrics.metrics import mean_average_precision

T = 0.01
CLASSES = ("cat", "dog", "cow", "fish", "kite")


def parts(cosines: Any, size: int = 128) -> Any:
    def read() -> Iterator[Part]:
        for start in range(0, len(cosines), size):
            values = cosines[start : start + size].astype(np.float32)
            names = (f"{start + i:05}" for i in range(len(values)))
            yield Part(tuple(map(StoredPicture, names)), values)

    return read


def views(cosines: Any, snippets: Snippets = "all", **settings: Any) -> SetViews:
    aggregation = Aggregation(T, cached=settings.pop("cached", None))
    return gather_views(parts(cosines, **settings), len(cosines), aggregation, snippets, 1.0)


def scored(cosines: Any, names: tuple[str, ...] = CLASSES, **settings: Any) -> EvidenceFit:
    names = names[: cosines.shape[2]]
    scoring = EvidenceScoring(**settings)
    return fit_evidence(views(cosines), names, scoring, Aggregation(T), "all")


def paint(pictures: int = 600, seed: int = 0) -> tuple[Any, Any]:
    """Cosines of 1 + 4 views, and truth; what looks like a cat looks 0.8 as much like a dog.

    Each class is in 15 % of the pictures, in one snippet; the whole picture sees half of it.
    """
    rng = np.random.default_rng(seed)
    truth = rng.random((pictures, 5)) < 0.15
    cosines = rng.normal(0.2, 0.005, (pictures, 5, 5))
    cosines[:, :, 0] += rng.normal(0, 0.015, (pictures, 1))
    place = rng.integers(1, 5, (pictures, 5))
    for row, column in zip(*np.nonzero(truth), strict=True):
        cosines[row, place[row, column], column] += 0.05
        cosines[row, 0, column] += 0.025
    cosines[:, :, 1] += 0.8 * (cosines[:, :, 0] - 0.2)
    return cosines, truth.astype(np.int8)


COSINES, TRUTH = paint()


def test_views_by_hand() -> None:
    # one picture, two snippets, two classes; every view less its mean over the classes
    cosines = np.array([[[0.3, 0.1], [0.5, 0.1], [0.2, 0.4]], [[0.1, 0.3], [0.2, 0.2], [0.2, 0.2]]])
    found = views(cosines)
    assert found.kinds[0] == pytest.approx(np.array([[0.1, -0.1], [-0.1, 0.1]]), abs=1e-7)
    assert found.kinds[1] == pytest.approx(np.array([[0.2, 0.1], [0.0, 0.0]]), abs=1e-7)
    assert found.kinds[2] == pytest.approx(np.array([[-0.1, -0.2], [0.0, 0.0]]), abs=1e-7)
    # the classes' means are 0 for the whole pictures: their spread is 0.1, the temperature
    assert found.how.temperature == pytest.approx(0.1)
    e = np.exp(2.0)
    whole = np.array([[e, 1], [1, e]]) / (1 + e)
    # snippets' means are 0.025 and -0.025: the first snippet of picture 0 is 0.175 ahead of 0
    local = [1 / (1 + np.exp(-3.5)), 1 / (1 + np.exp(-2.5))]
    even = [1 / (1 + np.exp(0.5)), 1 / (1 + np.exp(-0.5))]
    assert found.shares == pytest.approx(whole + np.array([local, even]), abs=1e-5)
    assert found.plain == pytest.approx(Aggregation(T).scores(cosines), abs=1e-6)


def test_parts_do_not_matter() -> None:
    one, many = views(COSINES, size=1000), views(COSINES, size=7)
    assert many.how.temperature == pytest.approx(one.how.temperature, rel=1e-12)
    assert many.shares == pytest.approx(one.shares, abs=1e-6)


def test_a_constant_added_to_one_view_changes_nothing() -> None:
    shifted = COSINES.copy()
    shifted[:, 2] += 0.125
    shifted[3, 0] -= 0.05
    assert views(shifted).shares == pytest.approx(views(COSINES).shares, abs=1e-4)
    assert scored(shifted).scores == pytest.approx(scored(COSINES).scores, abs=1e-3)


def test_what_a_rival_explains_is_taken_away() -> None:
    # the dog's cosine tells how much of the cat's is no cat
    plain = mean_average_precision(views(COSINES).plain[:, :1], TRUTH[:, :1])
    found = mean_average_precision(scored(COSINES).scores[:, :1], TRUTH[:, :1])
    assert plain < 65
    assert found > 80


def test_scores_are_as_likely_as_they_say() -> None:
    found = scored(COSINES)
    prevalence = [split.prevalence for split in found.splits if split]
    assert prevalence == pytest.approx(TRUTH.mean(axis=0), abs=0.03)
    assert found.scores.mean() == pytest.approx(TRUTH.mean(), abs=0.02)
    assert ((found.scores - TRUTH) ** 2).mean() < ((views(COSINES).plain - TRUTH) ** 2).mean() / 2
    assert found.notes == ()


def test_pictures_and_classes_may_be_permuted() -> None:
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(len(COSINES)), rng.permutation(5)
    found = scored(COSINES).scores
    assert scored(COSINES[rows]).scores == pytest.approx(found[rows], abs=1e-4)
    turned = scored(COSINES[:, :, columns], tuple(np.array(CLASSES)[columns]))
    assert turned.scores == pytest.approx(found[:, columns], abs=1e-4)


def test_a_picture_shown_twice_scores_twice_the_same() -> None:
    doubled = scored(np.concatenate([COSINES, COSINES[:50]])).scores
    assert (doubled[:50] == doubled[600:]).all()


def test_a_class_that_no_picture_shows_keeps_its_plain_scores() -> None:
    without = COSINES[TRUTH[:, 2] == 0]
    without[:, :, 2] -= 0.05
    found = scored(without)
    assert (found.scores[:, 2] == views(without).plain[:, 2]).all()
    assert found.splits[2] is None
    assert found.notes == (
        "hardly any picture shows cow: scored picture by picture, as --strategy cdul does",
    )


def test_a_class_without_a_line_takes_the_line_of_the_others() -> None:
    vague = COSINES.copy()
    # what is seen everywhere, more or less, is seen by every picture alone, but in one hill
    vague[:, :, 3] = 0.24 + np.random.default_rng(2).normal(0, 0.01, (600, 1))
    found = scored(vague)
    assert found.notes[-1].startswith("fish: no clear line")
    others = [found.splits[column] for column in (0, 1, 2, 4)]
    taken = found.splits[3]
    assert taken
    assert taken.slope == pytest.approx(np.median([s.slope for s in others if s]))


def test_constant_cosines_give_no_nan() -> None:
    flat = COSINES.copy()
    flat[:, :, 3] = flat[:, :, :3].mean(axis=2)
    for cosines in (flat, np.full((200, 5, 5), 0.2), COSINES[:, :, :2]):
        found = scored(cosines).scores
        assert np.isfinite(found).all()
        assert found.min() >= 0
        assert found.max() <= 1


def test_extremes_of_raw_cosines_are_centered_by_their_picture() -> None:
    rows = np.stack([COSINES[:, 0], COSINES[:, 1:].max(axis=1), COSINES[:, 1:].min(axis=1)], 1)
    shifted = rows + np.random.default_rng(3).normal(0, 0.05, (600, 1, 1))
    first, second = (views(x, "extremes") for x in (rows, shifted))
    assert first.kinds[1] == pytest.approx(second.kinds[1], abs=1e-6)
    assert first.kinds[1][0] == pytest.approx(rows[0, 1] - rows[0, 0].mean(), abs=1e-6)
    # from stored softmax values they come centered: nothing is known that could center them better
    stored = views(rows, "extremes", cached=1.0)
    assert stored.kinds[1] == pytest.approx(rows[:, 1], abs=1e-6)


def test_only_the_most_alike_rivals_explain_a_class_of_many() -> None:
    # the cat's nearest rival is the dog: one rival is enough here
    found = scored(COSINES, rivals=1).scores
    assert mean_average_precision(found[:, :1], TRUTH[:, :1]) > 80


def test_small_sets_are_refused_with_a_reason() -> None:
    scoring = EvidenceScoring()
    assert refuse_reason(100, scoring) is None
    assert refuse_reason(99, scoring) == ("99 pictures are too few for statistics (fewer than 100)")

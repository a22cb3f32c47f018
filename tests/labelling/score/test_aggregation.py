"""The laws of CDUL's aggregation (section 3.1), and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cdul_edge.labelling.score.aggregation import Aggregation
from cdul_edge.labelling.score.choices import Strategy
from cdul_edge_runtime.errors import CdulEdgeError

T = 0.01
COSINES = np.random.default_rng(0).normal(0.2, 0.02, (20, 10, 6)).astype(np.float32)


def softmax(values: Any) -> Any:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def scores(cosines: Any = COSINES, temperature: float = T, **settings: Any) -> Any:
    return Aggregation(temperature, **settings).scores(cosines)


SHARES = softmax(COSINES.astype(np.float64) / T)
WHOLE, BEST, WORST = SHARES[:, 0], SHARES[:, 1:].max(axis=1), SHARES[:, 1:].min(axis=1)


def test_two_snippets_by_hand() -> None:
    # softmax of (ln 3, 0) is (3/4, 1/4); zeta 0.5: class 0 is shown by snippet 1, class 1 by none
    ln3 = np.log(3.0)
    cosines = np.array([[[0, 0], [ln3, 0], [0, 0]]]) * 0.1
    assert scores(cosines, 0.1, zeta=0.6) == pytest.approx(
        np.array([[(0.5 + 0.75) / 2, (0.5 + 0.25) / 2]])
    )


def test_half_fusion_is_the_mean_of_whole_picture_and_merged_snippets() -> None:
    merged = np.where(BEST >= 0.2, BEST, WORST)
    assert scores(zeta=0.2) == pytest.approx((WHOLE + merged) / 2, abs=1e-6)
    assert scores(strategy="global") == pytest.approx(WHOLE, abs=1e-6)
    mean = SHARES[:, 1:].mean(axis=1)
    assert scores(strategy="average") == pytest.approx((WHOLE + mean) / 2, abs=1e-6)


def test_pooled_fusion_counts_the_whole_picture_as_one_more_view() -> None:
    average = scores(strategy="average", fusion="pooled")
    assert average == pytest.approx(SHARES.mean(axis=1), abs=1e-6)
    best = scores(strategy="max", fusion="pooled")
    assert best == pytest.approx(SHARES.max(axis=1), abs=1e-6)


def test_cosine_mean_is_one_softmax_of_whole_picture_and_mean_snippet() -> None:
    # whole (0.1, 0), snippets' mean (0.3, 0): their mean 0.2 is two temperatures ahead
    cosines = np.array([[[0.1, 0.0], [0.5, 0.1], [0.1, -0.1]]])
    found = scores(cosines, 0.1, strategy="cosine-mean")
    assert found == pytest.approx(np.array([[np.e**2, 1]]) / (np.e**2 + 1))
    assert scores(strategy="cosine-mean").sum(axis=1) == pytest.approx(1)
    # one snippet that is the whole picture adds nothing
    same = COSINES[:, [0, 0]]
    assert scores(same, strategy="cosine-mean") == pytest.approx(scores(strategy="global"))


def test_zeta_from_best_to_worst_snippet() -> None:
    assert (scores(zeta=0) == scores(strategy="max")).all()
    assert scores(zeta=1.01) == pytest.approx((WHOLE + WORST) / 2, abs=1e-6)


def test_one_snippet_is_itself_for_every_zeta() -> None:
    one = COSINES[:, :2]
    for zeta in (0, 0.3, 1.1):
        assert (scores(one, zeta=zeta) == scores(one, strategy="max")).all()


def test_merged_snippets_lie_between_the_worst_and_the_best() -> None:
    for zeta in (0, 0.2, 0.9, 1.01):
        merged = 2 * scores(zeta=zeta) - WHOLE
        assert (merged >= WORST - 1e-6).all()
        assert (merged <= BEST + 1e-6).all()


def test_lambda_one_takes_the_larger_of_whole_picture_and_snippets() -> None:
    merged = np.where(BEST >= 0.2, BEST, WORST)
    assert scores(balance=1) == pytest.approx(np.maximum(WHOLE, merged), abs=1e-6)


@pytest.mark.parametrize("strategy", ["cdul", "max", "average", "cosine-mean", "global"])
def test_scores_stay_in_range_and_classes_and_snippets_may_be_permuted(strategy: Strategy) -> None:
    found = scores(strategy=strategy)
    assert found.min() >= 0
    assert found.max() <= 1
    assert (found.sum(axis=1) > 0).all()
    snippets = np.concatenate([COSINES[:, :1], COSINES[:, :0:-1]], axis=1)
    assert scores(snippets, strategy=strategy) == pytest.approx(found, abs=1e-6)
    flipped = scores(COSINES[:, :, ::-1], strategy=strategy)
    assert flipped[:, ::-1] == pytest.approx(found, abs=1e-6)


def test_a_constant_added_to_one_view_changes_nothing() -> None:
    shifted = COSINES.astype(np.float64)
    shifted[:, 3] += 0.125
    assert scores(shifted) == pytest.approx(scores(), abs=1e-5)


def test_a_snippet_shown_twice_changes_nothing_but_an_average() -> None:
    doubled = np.concatenate([COSINES, COSINES[:, 4:5]], axis=1)
    for strategy in ("cdul", "max"):
        assert (scores(doubled, strategy=strategy) == scores(strategy=strategy)).all()


def test_temperature_goes_from_one_hot_to_uniform_and_keeps_the_best_class() -> None:
    sharp, flat = (scores(temperature=t, strategy="global") for t in (1e-5, 0.5))
    assert sharp.max(axis=1) == pytest.approx(1)
    assert flat == pytest.approx(np.full(flat.shape, 1 / 6), abs=0.03)
    assert (sharp.argmax(axis=1) == flat.argmax(axis=1)).all()


def test_imported_extremes_are_used_as_they_were_cached_and_softened_anew_otherwise() -> None:
    temperature = float(np.log(100))
    shares = softmax(COSINES.astype(np.float64) / temperature)
    cached = np.stack([shares[:, 0], shares[:, 1:].max(axis=1), shares[:, 1:].min(axis=1)], axis=1)
    stored = (temperature * np.log(6 * cached)).astype(np.float32)
    as_cached = Aggregation(temperature, "max", cached=temperature).scores(stored, "extremes")
    assert as_cached == pytest.approx((cached[:, 0] + cached[:, 1]) / 2, abs=1e-7)
    # the whole picture's softmax follows exactly at any temperature
    sharper = Aggregation(T, "global", cached=temperature).scores(stored, "extremes")
    assert sharper == pytest.approx(WHOLE, abs=1e-4)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"temperature": 4.605}, "logit_scale .* instead of 1/exp"),
        ({"temperature": 0}, "not above 0"),
        ({"temperature": float("nan")}, "not above 0"),
        ({"balance": 1.5}, r"not in \[0, 1\]"),
        ({"zeta": float("nan")}, "zeta is not a number"),
        ({"strategy": "cosine-mean", "balance": 0.5}, "drop --lambda"),
        ({"strategy": "cosine-mean", "fusion": "pooled"}, "defined for the strategies"),
        ({"fusion": "pooled"}, "defined for the strategies max and average"),
        ({"fusion": "pooled", "strategy": "max", "balance": 0.5}, "without a balance"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(CdulEdgeError, match=fault):
        Aggregation(**{"temperature": T, **settings})


def test_a_high_temperature_is_allowed_only_where_values_were_cached_at_it() -> None:
    Aggregation(4.605, cached=4.605)
    with pytest.raises(CdulEdgeError, match="logit_scale"):
        Aggregation(4.7, cached=4.605)


def test_extremes_have_no_average() -> None:
    for strategy in ("average", "cosine-mean"):
        with pytest.raises(CdulEdgeError, match="best and worst snippet"):
            Aggregation(T, strategy).scores(COSINES[:, :3], "extremes")

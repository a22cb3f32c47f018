"""Two hills in a class's evidence: found where they are, and only there."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge.labelling.score.mixture import Split, fit_split, typical_split


def bell(mean: float, count: int) -> npt.NDArray[np.float64]:
    """(count,) evenly spread quantiles of a normal distribution: a sample without luck."""
    normal = NormalDist(mean, 1)
    return np.array([normal.inv_cdf((place + 0.5) / count) for place in range(count)])


ABSENT = bell(0, 4000)


def sigmoid(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


def test_log_odds_are_a_line_that_bends_beyond_four() -> None:
    split = Split(slope=2.0, intercept=-1.0, prevalence=0.1, separation=3.0)
    found = split.probabilities(np.array([0.5, 2.5, 4.5, -3.5]))
    # odds 0, 4, 8, -8: beyond 4 they grow by ln(1 + the rest)
    bent = 4 + math.log(5)
    assert found == pytest.approx([0.5, sigmoid(4), sigmoid(bent), sigmoid(-bent)])


def test_the_surest_pictures_stay_apart_in_single_precision() -> None:
    split = Split(slope=8.0, intercept=-20.0, prevalence=0.1, separation=8.0)
    found = split.probabilities(np.linspace(-5, 12, 500)).astype(np.float32)
    assert (np.diff(found) > 0).all()
    assert found.min() > 0
    assert found.max() < 1


@pytest.mark.parametrize("share", [0.02, 0.1, 0.4, 0.6, 0.9])
def test_two_normal_distributions_are_found_with_their_share(share: float) -> None:
    count = int(len(ABSENT) * share / (1 - share))
    split = fit_split(np.concatenate([ABSENT, bell(5, count)]) - 5 * share)
    assert split.found
    assert split.prevalence == pytest.approx(share, abs=0.01)
    assert split.separation == pytest.approx(5, abs=0.15)
    # equal odds lie between the means, moved by the log of their shares: slope = 5 / 1^2
    border = -split.intercept / split.slope + 5 * share
    assert border == pytest.approx(2.5 + math.log((1 - share) / share) / 5, abs=0.1)


def test_one_hill_is_not_split() -> None:
    assert not fit_split(ABSENT).found
    assert not fit_split(np.zeros(50)).found


def test_the_order_of_the_pictures_does_not_matter() -> None:
    evidence = np.concatenate([ABSENT, bell(4, 300)])
    first, second = fit_split(evidence), fit_split(evidence[::-1])
    assert first.slope == pytest.approx(second.slope, rel=1e-6)
    assert first.prevalence == pytest.approx(second.prevalence, rel=1e-6)


def test_the_typical_split_is_the_median_of_those_that_were_found() -> None:
    splits = [Split(k, -k, k / 10, k) for k in (1.0, 3.0, 4.0, 9.0)]
    assert typical_split(splits) == Split(4.0, -4.0, 0.4, 4.0)
    assert typical_split(splits[:1]) is None


@pytest.mark.parametrize(("share", "distance"), [(0.1, 4.0), (0.3, 3.0), (0.5, 5.0), (0.8, 3.5)])
def test_the_split_is_that_of_sklearns_mixture_of_two_gaussians(
    share: float, distance: float
) -> None:
    """Two components of one width: `covariance_type="tied"`, its evidence in one dimension."""
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(0)
    shows = rng.random(5000) < share
    evidence = rng.normal(0, 1, 5000) + distance * shows
    expected = GaussianMixture(2, covariance_type="tied", n_init=5, tol=1e-7, random_state=0)
    expected.fit(evidence[:, None])
    low, high = sorted(range(2), key=lambda one: float(expected.means_[one, 0]))
    width = float(np.sqrt(expected.covariances_[0, 0]))
    found = fit_split(evidence)
    assert found.prevalence == pytest.approx(expected.weights_[high], abs=0.005)
    apart = float(expected.means_[high, 0] - expected.means_[low, 0]) / width
    assert found.separation == pytest.approx(apart, rel=0.01)
    posterior = expected.predict_proba(evidence[:, None])[:, high]
    unsure = (posterior > 0.03) & (posterior < 0.97)  # beyond, ours is tempered on purpose
    assert unsure.sum() > 100
    assert found.probabilities(evidence)[unsure] == pytest.approx(posterior[unsure], abs=0.02)

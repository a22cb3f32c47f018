"""Which pictures are drawn: strata of scores, how many of each, and with what chances."""

from __future__ import annotations

import numpy as np
import pytest

from cdul_edge_runtime.metrics.score_strata import ABOVE, BELOW, FEWEST, Draw, draw_pictures

SCORES = np.concatenate(
    [np.linspace(0.9, 1, 80), np.linspace(0.4, 0.9, 20), np.linspace(0, 0.01, 400)]
)


def draw(count: int = 40, threshold: float = 0.5, seed: int = 0) -> Draw:
    return draw_pictures(SCORES, threshold, count, np.random.default_rng(seed))


def test_no_stratum_crosses_the_threshold_and_scores_rise_from_one_to_the_next() -> None:
    found = draw()
    assert found.above.tolist() == [True] * ABOVE + [False] * BELOW
    assert found.sizes.sum() == len(SCORES)
    assert found.sizes[found.above].sum() == (SCORES >= 0.5).sum()
    drawn = SCORES[found.pictures]
    assert ((drawn >= 0.5) == found.above[found.strata]).all()
    for first, second in ((0, 1), (2, 3), (3, 4)):
        assert drawn[found.strata == first].max() <= drawn[found.strata == second].min()


def test_exactly_so_many_are_drawn_none_twice_and_no_stratum_is_empty() -> None:
    for count in (6, 7, 12, 20, 100, 499, 500, 10_000):
        found = draw(count)
        assert len(set(found.pictures.tolist())) == len(found.pictures) == min(count, len(SCORES))
        assert np.bincount(found.strata, minlength=len(found.sizes)).tolist() == list(found.drawn)
        assert (found.drawn >= np.minimum(FEWEST, found.sizes)).all()
        assert (found.drawn <= found.sizes).all()


def test_doubtful_pictures_are_drawn_more_often_than_sure_ones() -> None:
    """Strata share the spread sqrt(p (1 - p)) equally, so the doubtful ones are smaller."""
    found = draw(60)
    chance = found.drawn / found.sizes
    assert chance[0] > chance[1]  # above: 0.5 to 0.9, and 0.9 to 1
    assert chance[4] > chance[2]  # below: 0.01 and up, and 0


def test_all_are_in_one_stratum_a_side_where_scores_or_the_sample_say_so() -> None:
    assert draw(6).above.tolist() == [True, False]
    assert draw(40, threshold=float("inf")).above.tolist() == [False] * BELOW
    assert draw(40, threshold=0).above.tolist() == [True] * ABOVE
    same = draw_pictures(np.full(30, 0.5, np.float32), 0.5, 12, np.random.default_rng(0))
    assert same.sizes.sum() == 30
    assert len(same.pictures) == 12


def test_one_picture_can_be_drawn() -> None:
    found = draw_pictures(np.array([0.7], np.float32), 0.5, 10, np.random.default_rng(0))
    assert (found.pictures.tolist(), found.drawn.tolist(), found.sizes.tolist()) == ([0], [1], [1])


def test_the_seed_decides_and_nothing_else() -> None:
    assert draw(seed=1).pictures.tolist() == draw(seed=1).pictures.tolist()
    assert draw(seed=1).pictures.tolist() != draw(seed=2).pictures.tolist()


def test_half_of_the_order_is_half_of_every_stratum() -> None:
    found = draw(200)
    half = np.bincount(found.strata[:100], minlength=len(found.drawn))
    assert half == pytest.approx(found.drawn / 2, abs=2)


def test_every_picture_of_a_stratum_has_the_same_chance() -> None:
    """Of 400 draws each picture is in drawn / size, within six standard deviations."""
    times = np.zeros(len(SCORES))
    for seed in range(400):
        times[draw(60, seed=seed).pictures] += 1
    found = draw(500)  # all of them: the stratum of each
    whole = np.zeros(len(SCORES), int)
    whole[found.pictures] = found.strata
    some = draw(60)
    chance = (some.drawn / some.sizes)[whole]
    assert (np.abs(times - 400 * chance) <= 6 * np.sqrt(400 * chance * (1 - chance)) + 1e-9).all()

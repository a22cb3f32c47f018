"""What a rank is worth: by hand, between what is known, and beyond it."""

from __future__ import annotations

import numpy as np
import pytest

from cdul_edge.labelling.score.rank_table import RankTable, tabulate_ranks


def ask(table: RankTable, *ranks: float) -> list[float]:
    return list(table.of(np.array(ranks, np.float32)))


def test_ranks_take_the_values_in_their_order_and_share_them_where_they_tie() -> None:
    ranks = np.array([3.0, 1.0, 2.0, 2.0], np.float32)
    table = tabulate_ranks(ranks, np.array([0.1, 0.9, 0.4, 0.2]))
    assert table.of(ranks) == pytest.approx([0.9, 0.1, 0.3, 0.3])


def test_what_was_learned_comes_back_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    ranks = rng.normal(size=5000).round(3).astype(np.float32)
    values = rng.random(5000)
    table = tabulate_ranks(ranks, values)
    found = table.of(ranks).astype(np.float32)
    order = np.sort(values)
    for rank in ranks[:50]:
        among = slice((ranks < rank).sum(), (ranks <= rank).sum())
        assert found[ranks == rank] == pytest.approx(order[among].mean(), abs=1e-7)
    assert set(found) == set(table.values)


def test_between_two_ranks_lies_a_straight_line() -> None:
    table = RankTable(np.array([0, 1, 3], np.float32), np.array([0.1, 0.2, 0.8], np.float32))
    assert ask(table, 0.5, 2.0) == pytest.approx([0.15, 0.5])


def test_beyond_the_table_the_log_odds_go_on_and_flatten() -> None:
    # log-odds -2, 0, 2 at ranks -1, 0, 1: two a rank; two ranks beyond, ln(1 + 2 * 2) more
    values = (1 / (1 + np.exp([2.0, 0.0, -2.0]))).astype(np.float32)
    table = RankTable(np.array([-1, 0, 1], np.float32), values)
    odds = 2 + np.log(5)
    expected = [1 / (1 + np.exp(odds)), 1 / (1 + np.exp(-odds))]
    assert ask(table, -3.0, 3.0) == pytest.approx(expected, abs=1e-6)


def test_values_never_fall_and_stay_shares() -> None:
    rng = np.random.default_rng(1)
    for scale in (1.0, 40.0):
        ranks = rng.normal(size=300).astype(np.float32)
        table = tabulate_ranks(ranks, 1 / (1 + np.exp(-scale * rng.normal(size=300))))
        asked = np.sort(np.concatenate([ranks, rng.normal(scale=30, size=3000)])).astype(np.float32)
        found = table.of(asked).astype(np.float32)
        assert (np.diff(found) >= 0).all()
        assert found.min() >= 0
        assert found.max() <= 1


def test_equal_ranks_have_one_value_everywhere() -> None:
    table = tabulate_ranks(np.zeros(4, np.float32), np.array([0.1, 0.2, 0.3, 0.4]))
    assert ask(table, -1.0, 0.0, 5.0) == pytest.approx([0.25] * 3)

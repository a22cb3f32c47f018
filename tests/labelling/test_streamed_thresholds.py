"""Thresholds of a stream are those of the same scores in memory."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cdul_edge.labelling.streamed_thresholds import RowSums, open_thresholds
from cdul_edge_runtime.bundle.thresholds import (
    UNLABELED_RULES,
    otsu_thresholds,
    prevalence_thresholds,
    unlabeled_thresholds,
)

Singles = npt.NDArray[np.float32]

# many ties, and every float there is
ties = st.sampled_from([0.0, -0.0, 0.1, 0.25, 0.4999999, 0.5, 0.50000006, 0.75, 1.0, 1e-40])
anything = st.one_of(ties, st.floats(0, 1, width=32))
matrices = arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=anything)


def stream(
    scores: Singles, rule: str, shares: npt.NDArray[np.float64] | None = None, rows: int = 3
) -> tuple[Singles, npt.NDArray[np.int64]]:
    def pieces() -> Iterator[Singles]:
        for start in range(0, len(scores), rows):
            yield scores[start : start + rows]

    streamed = open_thresholds(rule, scores.shape[1], shares)
    for piece in pieces():
        streamed.add(piece)
    found = streamed.finish(pieces)
    return found.thresholds, found.above


def expected_f1(scores: Singles, thresholds: Singles) -> npt.NDArray[np.float64]:
    exact = scores.astype(np.float64)
    taken = scores >= thresholds
    best: npt.NDArray[np.float64] = (
        2
        * np.where(taken, exact, 0).sum(axis=0)
        / np.maximum(taken.sum(axis=0) + exact.sum(axis=0), 1e-300)
    )
    return best


@settings(max_examples=60, deadline=None)
@given(matrices)
def test_rules_of_ranks_agree_to_the_bit(scores: Singles) -> None:
    for rule in ("hard-prevalence", "soft-prevalence", "fixed"):
        thresholds, above = stream(scores, rule)
        assert thresholds.dtype == np.float32
        assert np.array_equal(thresholds, unlabeled_thresholds(scores, rule)), rule
        assert np.array_equal(above, (scores >= thresholds).sum(axis=0)), rule


@settings(max_examples=60, deadline=None)
@given(matrices, st.data())
def test_shares_agree_to_the_bit(scores: Singles, data: st.DataObject) -> None:
    shares = data.draw(arrays(np.float64, scores.shape[1], elements=st.floats(0, 1)))
    thresholds, above = stream(scores, "shares.json", shares)
    assert np.array_equal(thresholds, prevalence_thresholds(scores, shares))
    assert np.array_equal(above, (scores >= thresholds).sum(axis=0))


@settings(max_examples=60, deadline=None)
@given(matrices)
def test_expected_f1_is_the_largest(scores: Singles) -> None:
    thresholds, above = stream(scores, "expected-f1")
    known = unlabeled_thresholds(scores, "expected-f1")
    assert np.array_equal(np.isinf(thresholds), np.isinf(known))
    reached = expected_f1(scores, thresholds), expected_f1(scores, known)
    assert np.allclose(*reached, rtol=1e-12)
    assert np.array_equal(above, (scores >= thresholds).sum(axis=0))


def test_f1_to_be_expected_of_four_pictures_asks_for_the_first_two() -> None:
    # 2 * 0.9 / (1 + 2), 2 * 1.7 / (2 + 2), 2 * 2.0 / (3 + 2) and 2 * 2.0 / (4 + 2): two are best
    scores = np.array([[0.9], [0.8], [0.3], [0.0]], np.float32)
    assert stream(scores, "expected-f1")[0] == pytest.approx([0.8])


def test_scores_of_two_groups_are_parted_where_otsu_parts_them() -> None:
    generator = np.random.default_rng(0)
    low, high = generator.beta(2, 20, (800, 3)), generator.beta(20, 3, (200, 3))
    scores = np.concatenate([low, high]).astype(np.float32)[generator.permutation(1000)]
    assert np.array_equal(stream(scores, "otsu", rows=100)[0], otsu_thresholds(scores))


def test_otsu_finds_the_border_between_neighboring_floats_and_none_between_equals() -> None:
    half = np.float32(0.5)
    above = np.nextafter(half, np.float32(1))
    scores = np.array([[half, half], [above, half], [half, half]], np.float32)
    assert stream(scores, "otsu")[0].tolist() == [above, np.inf]


def test_every_rule_streams() -> None:
    scores = np.random.default_rng(1).random((300, 2), np.float32)
    for rule in UNLABELED_RULES:
        assert np.array_equal(stream(scores, rule, rows=70)[0], unlabeled_thresholds(scores, rule))


def test_sums_of_rows_in_pieces_are_the_sum_of_all_to_the_bit() -> None:
    scores = np.random.default_rng(2).random((1000, 7), np.float32)
    sums = RowSums(7)
    for start in range(0, 1000, 130):
        sums.add(scores[start : start + 130])
    assert (sums.total / sums.rows).tobytes() == scores.mean(axis=0, dtype=np.float64).tobytes()

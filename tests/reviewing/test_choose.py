"""Which entries are asked about, and what their answers are expected to bring."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cdul_edge.reviewing.choose import ChoiceRequest, Entry, choose
from cdul_edge.reviewing.scores import Batches, ReviewedScores
from cdul_edge.reviewing.usefulness import LEARNABLE, measure_worth
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.doubt import LABELS_DOUBT
from tests.reviewing.scored import in_memory

Matrix = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
COLUMN = np.array([0])
ONE = ("a",)  # class; `in_memory` gives a lonely one a neighbor


def asked(entries: tuple[Entry, ...]) -> list[tuple[str, str]]:
    """Picture and class of each entry, in order."""
    return [(one.path, one.name) for one in entries]


def test_the_expected_f1_and_what_each_answer_adds_to_it() -> None:
    # P = {0.9, 0.7}: n = 2, R = 1.6, T = 0.9 + 0.7 + 0.3 + 0.1 = 2, so F = 3.2 / 4.
    worth = measure_worth(in_memory([[0.9], [0.7], [0.3], [0.1]]), COLUMN).classes[0]
    assert worth.f1 == pytest.approx(0.8, abs=0.01)
    assert worth.size == pytest.approx(4 + LEARNABLE, abs=0.05)
    gains = worth.gains(np.array([0.7, 0.3]), np.array([True, False]))
    # (1 - 0.7) * 0.8 / D and 0.3 * (2 - 0.8) / D
    assert gains * worth.size == pytest.approx([0.24, 0.36], abs=0.01)


def test_an_answer_is_worth_most_at_half_the_f1_where_both_sides_meet() -> None:
    worth = measure_worth(in_memory([[0.9], [0.7], [0.3], [0.1]]), COLUMN).classes[0]
    half = np.array([worth.f1 / 2])
    there, absent = (float(worth.gains(half, np.array([side]))[0]) for side in (True, False))
    assert there == pytest.approx(absent)


def test_a_hundred_answers_add_to_the_f1_what_was_expected() -> None:
    generator = np.random.default_rng(0)
    scores = generator.beta(0.3, 1.2, (4000, 3))
    truth = generator.random(scores.shape) < scores
    entries = choose(in_memory(scores), ChoiceRequest(count=100))
    mended = scores >= 0.5
    for one in entries:
        mended[int(one.path[:-4]), "abc".index(one.name)] = truth[
            int(one.path[:-4]), "abc".index(one.name)
        ]
    gain = macro_f1(mended, truth) - macro_f1(scores >= 0.5, truth)
    expected = sum(one.gain for one in entries)
    assert gain == pytest.approx(expected, rel=0.25)
    assert gain > 3 * expected_of_random(scores)


def macro_f1(labels: Mask, truth: Mask) -> float:
    """In percent."""
    both = (labels & truth).sum(axis=0)
    return float(np.mean(200 * both / (labels.sum(axis=0) + truth.sum(axis=0))))


def expected_of_random(scores: Matrix) -> float:
    """What a hundred answers drawn by chance are expected to add, in points."""
    columns = np.arange(scores.shape[1])
    found = [
        worth.gains(scores[:, at], scores[:, at] >= 0.5).mean()
        for at, worth in measure_worth(in_memory(scores), columns).classes.items()
    ]
    return 100 * 100 * float(np.mean(found)) / len(columns)


def test_a_doubtful_entry_of_a_rare_class_comes_before_one_of_a_common_class() -> None:
    scores = np.full((400, 2), 0.02)
    scores[:300, 0], scores[:20, 1] = 0.98, 0.98
    scores[399] = 0.5
    first, second = choose(in_memory(scores), ChoiceRequest(count=2))
    assert asked((first, second)) == [("399.png", "b"), ("399.png", "a")]
    assert first.gain > second.gain


def test_questions_are_spread_over_classes_whose_entries_are_worth_nearly_the_same() -> None:
    scores = np.full((300, 2), 0.001)
    scores[:60, 0], scores[60:120, 1] = 0.50, 0.53  # the first are worth a little more
    names = [one.name for one in choose(in_memory(scores), ChoiceRequest(count=60))]
    assert 20 <= names.count("b") <= 40
    assert 8 <= names[:30].count("b") <= 22


def test_answers_that_were_given_count_and_are_not_asked_for_again() -> None:
    scores = np.full((300, 2), 0.001)
    scores[:60, 0], scores[60:120, 1] = 0.50, 0.50
    given = frozenset((f"{row}.png", "a") for row in range(30))
    entries = choose(in_memory(scores), ChoiceRequest(count=30, answered=given))
    assert not given & set(asked(entries))
    assert [one.name for one in entries].count("b") > 20


def test_the_same_entries_whatever_the_size_of_a_batch_and_however_often() -> None:
    scores = np.random.default_rng(1).beta(0.3, 1, (500, 4))
    request = ChoiceRequest(count=50)
    first = choose(in_memory(scores, doubt=LABELS_DOUBT), request)
    again = choose(in_memory(scores, doubt=LABELS_DOUBT, batch=7), request)
    assert first == again
    assert len(set(asked(first))) == 50


def test_all_there_are_where_more_are_asked_for() -> None:
    assert len(choose(in_memory([[0.5, 0.4]]), ChoiceRequest(count=200))) == 2


def test_only_classes_that_were_named_and_pictures_that_are_there() -> None:
    scores = np.full((10, 3), 0.5)
    request = ChoiceRequest(
        class_names=("c", "a"), find_picture=lambda path: Path(path) if path == "7.png" else None
    )
    assert set(asked(choose(in_memory(scores), request))) == {("7.png", "a"), ("7.png", "c")}
    with pytest.raises(CdulEdgeError, match="zebra"):
        choose(in_memory(scores), replace(request, class_names=("zebra",)))


def test_scores_that_are_no_probabilities_are_doubted_around_the_threshold() -> None:
    scores = np.concatenate([np.linspace(0.04, 0.06, 50), np.full(50, 0.01)])[:, None]
    entries = choose(
        in_memory(scores, thresholds=0.055, doubt=None), ChoiceRequest(count=10, class_names=ONE)
    )
    assert len(entries) == 10
    assert all(0.045 < one.score < 0.06 for one in entries)


def test_a_class_that_is_never_predicted_is_asked_about_where_it_is_likeliest() -> None:
    scores = np.array([[0.1], [0.3], [0.2]])
    entries = choose(in_memory(scores, thresholds=np.inf), ChoiceRequest(count=1, class_names=ONE))
    assert asked(entries) == [("1.png", "a")]


def test_no_two_pictures_in_a_row_that_look_alike(tmp_path: Path) -> None:
    # Ten times one scene, each a little brighter, and ten scenes of their own.
    generator = np.random.default_rng(0)
    scenes = generator.integers(0, 200, (11, 12, 12, 3), np.uint8)
    for row in range(20):
        pixels = scenes[0] + np.uint8(row) if row < 10 else scenes[row - 9]
        Image.fromarray(pixels).resize((96, 96), 0).save(tmp_path / f"{row}.png")
    scores = np.full((20, 1), 0.5) - np.arange(20)[:, None] * 1e-3
    request = ChoiceRequest(count=20, class_names=ONE, find_picture=lambda path: tmp_path / path)
    rows = [int(one.path[:-4]) for one in choose(in_memory(scores), request)]
    assert sorted(rows) == list(range(20))
    assert not any(a < 10 and b < 10 for a, b in pairwise(rows[:10]))
    # Those that bring something new come first.
    few = choose(in_memory(scores), replace(request, count=8))
    assert sum(int(one.path[:-4]) < 10 for one in few) == 1


def test_without_pictures_those_with_the_same_scores_count_as_alike() -> None:
    scores = np.random.default_rng(0).uniform(0.3, 0.7, (20, 3))
    scores[:10] = 0.45
    rows = [int(one.path[:-4]) for one in choose(in_memory(scores), ChoiceRequest(count=12))]
    assert len(rows) == 12
    assert sum(row < 10 for row in rows) <= 3


def test_memory_does_not_grow_with_the_pictures() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        choose(drawn_as_read(count), ChoiceRequest(count=20))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    # A picture's presence takes a byte; its path alone would take 50, its scores 120.
    assert peak(20_000) - peak(2_000) < 18_000 * 20


def drawn_as_read(count: int) -> ReviewedScores:
    """Scores of 30 classes that exist only while they are read."""

    def batches() -> Batches:
        for start in range(0, count, 500):
            values = np.random.default_rng(start).beta(0.3, 2, (500, 30)).astype(np.float32)
            yield tuple(f"{start + row}.png" for row in range(500)), values

    return replace(in_memory(np.zeros((1, 30))), count=count, batches=batches)

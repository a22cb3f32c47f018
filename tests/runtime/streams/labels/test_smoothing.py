"""Labels that do not flicker."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.labels.changes import LabelAppeared, LabelChange, LabelGone
from cdul_edge_runtime.streams.labels.smoothing import Smoother, Smoothing

RAW = Smoothing(average_s=0, enter=0, leave=0, appear_s=0, gone_s=0)
AT_ONCE = Smoothing(average_s=0, enter=0, leave=0.4, appear_s=0, gone_s=0)
TWO = ClassList(("cat", "dog"))
Scores = npt.NDArray[np.float32]


def score(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def two(cat: float, dog: float = 0.0) -> Scores:
    return np.array([cat, dog], np.float32)


def near(value: float) -> Any:
    return pytest.approx(value, abs=1e-6)


def smoother(smoothing: Smoothing, threshold: float = 0.5) -> Smoother:
    return Smoother(TWO, np.full(2, threshold, np.float32), smoothing)


def play(of: Smoother, cats: list[float], fps: float = 10.0, start: float = 0.0) -> list[bool]:
    """Whether the cat is there at each frame."""
    return [bool(of.update(two(s), start + k / fps).present[0]) for k, s in enumerate(cats)]


# --- what can be computed by hand


@pytest.mark.parametrize("fps", [5, 10, 25, 100])
def test_after_a_step_the_average_crosses_after_tau_times_a_logarithm(fps: int) -> None:
    # from logit -3 to 1: y = 1 - 4 exp(-t / tau) is 0 at tau ln 4 = 0.2 x 1.386 = 0.277 s
    of = smoother(Smoothing(average_s=0.2, enter=0, leave=0, appear_s=0, gone_s=0))
    of.update(two(score(-3)), 0.0)
    crossed = [k / fps for k in range(1, 2 * fps) if of.update(two(score(1)), k / fps).present[0]]
    assert crossed[0] == math.ceil(0.2 * math.log(4) * fps) / fps


@pytest.mark.parametrize("fps", [5, 10, 25, 100])
def test_after_a_step_the_score_is_the_same_at_any_frame_rate(fps: int) -> None:
    of = smoother(Smoothing(average_s=0.2))
    of.update(two(score(-3)), 0.0)
    for k in range(1, fps + 1):
        last = of.update(two(score(1)), k / fps)
    assert last.scores[0] == pytest.approx(score(1 - 4 * math.exp(-1 / 0.2)), abs=1e-6)


@pytest.mark.parametrize("fps", [5, 10, 25, 100])
def test_a_constant_score_stays_what_it_is(fps: int) -> None:
    of = smoother(Smoothing(average_s=0.2))
    for k in range(3 * fps):
        assert of.update(two(0.7, 0.2), k / fps).scores == pytest.approx([0.7, 0.2], abs=1e-6)


def test_enter_and_leave_are_logits_around_the_threshold() -> None:
    of = smoother(Smoothing(average_s=0, enter=0.5, leave=1.0, appear_s=0, gone_s=0))
    there = play(of, [score(x) for x in (0.4, 0.6, 0.4, -0.9, -1.1, 0.4)])
    assert there == [False, True, True, True, False, False]


def test_each_class_has_its_own_threshold() -> None:
    of = Smoother(TWO, np.array([0.2, 0.8], np.float32), AT_ONCE)
    assert of.update(two(0.3, 0.3), 0).present.tolist() == [True, False]


@pytest.mark.parametrize("fps", [5, 10, 20])
@pytest.mark.parametrize("start", [0.0, 1.7e9 + 0.123])
def test_least_durations_count_seconds_whatever_the_frame_rate(fps: int, start: float) -> None:
    of = smoother(Smoothing(average_s=0, enter=0, leave=0, appear_s=0.4, gone_s=0.6))
    cats = [0.9] * fps + [0.1] * fps
    there = play(of, cats, fps, start)
    assert there.index(True) == 0.4 * fps
    assert there.index(False, int(0.4 * fps)) == (1 + 0.6) * fps


def test_shorter_than_the_least_duration_changes_nothing() -> None:
    of = smoother(Smoothing(average_s=0, enter=0, leave=0, appear_s=0.2, gone_s=0.2))
    assert play(of, [0.9, 0.9, 0.1] + [0.9, 0.9, 0.9] + [0.1, 0.1, 0.9]) == (
        [False] * 5 + [True] * 4
    )


def test_what_changed_says_since_when_until_when_and_how_high() -> None:
    of = smoother(Smoothing(average_s=0, enter=0, leave=0.4, appear_s=0.2, gone_s=0.2))
    changes: list[LabelChange] = []
    for k, cat in enumerate([0.1, 0.7, 0.9, 0.8, 0.6, 0.1, 0.2, 0.3, 0.1]):
        changes += of.update(two(cat), float(k) / 10).changes
    assert changes == [
        LabelAppeared("cat", 0.1, 0.3, near(0.8)),
        LabelGone("cat", 0.1, 0.4, 0.7, near(0.9)),
    ]
    assert isinstance(changes[1], LabelGone)
    assert changes[1].duration_s == pytest.approx(0.3)


def test_the_peak_of_a_second_presence_is_its_own() -> None:
    of = smoother(AT_ONCE)
    cats = [0.9, 0.1, 0.6, 0.1]
    changes: list[LabelChange] = [
        change for k, cat in enumerate(cats) for change in of.update(two(cat), k).changes
    ]
    assert [c.peak for c in changes if isinstance(c, LabelGone)] == pytest.approx([0.9, 0.6])


# --- gaps, clocks, and ends


def test_a_gap_ends_what_is_there_at_the_last_frame_and_says_so() -> None:
    of = smoother(AT_ONCE)
    play(of, [0.9] * 11)
    after = of.update(two(0.8), 6.01 + 0.0)
    gone, appeared = after.changes
    assert gone == LabelGone("cat", 0.0, 1.0, 1.0, near(0.9), "gap")
    assert appeared == LabelAppeared("cat", 6.01, 6.01, near(0.8))


def test_a_gap_of_just_the_limit_is_none() -> None:
    of = smoother(AT_ONCE)
    of.update(two(0.9), 1.0)
    assert of.update(two(0.9), 6.0).changes == ()


def test_no_average_reaches_over_a_gap() -> None:
    of = smoother(Smoothing(average_s=100, reset_s=5))
    of.update(two(0.9), 0)
    assert of.update(two(0.2), 6).scores[0] == pytest.approx(0.2)


def test_a_clock_that_goes_back_ends_what_is_there_and_says_so() -> None:
    of = smoother(AT_ONCE)
    play(of, [0.9] * 11, start=100.0)
    after = of.update(two(0.1), 3.0)
    assert after.changes == (LabelGone("cat", 100.0, 101.0, 101.0, near(0.9), "clock"),)
    assert of.update(two(0.9), 3.1).changes == (LabelAppeared("cat", 3.1, 3.1, near(0.9)),)


def test_a_clock_that_is_set_right_ends_nothing_and_durations_stay_positive() -> None:
    of = smoother(AT_ONCE)
    of.update(two(0.9), 10.0)
    assert of.update(two(0.9), 9.5).changes == ()
    (gone,) = of.update(two(0.1), 9.6).changes
    assert isinstance(gone, LabelGone)
    assert (gone.since_s, gone.until_s, gone.time_s) == (10.0, 10.0, 10.0)


def test_a_frame_of_the_same_time_moves_no_average() -> None:
    of = smoother(Smoothing(average_s=0.2))
    of.update(two(0.9), 1.0)
    assert of.update(two(0.1), 1.0).scores[0] == pytest.approx(0.9)
    raw = smoother(RAW)
    raw.update(two(0.9), 1.0)
    assert not raw.update(two(0.1), 1.0).present[0]


def test_close_ends_what_is_there_and_the_next_frame_begins_anew() -> None:
    of = smoother(AT_ONCE)
    assert of.close(5.0) == ()
    of.update(two(0.9), 1.0)
    assert of.close(2.0) == (LabelGone("cat", 1.0, 1.0, 2.0, near(0.9), "closed"),)
    assert of.close(3.0) == ()
    assert of.update(two(0.9), 0.5).changes == (LabelAppeared("cat", 0.5, 0.5, near(0.9)),)


def test_close_while_a_label_is_going_knows_when_it_was_last_seen() -> None:
    of = smoother(Smoothing(average_s=0, appear_s=0, gone_s=1.0))
    play(of, [0.9, 0.9, 0.1, 0.1])
    assert of.close() == (LabelGone("cat", 0.0, 0.1, 0.3, near(0.9), "closed"),)


# --- thresholds and scores at the ends


@pytest.mark.parametrize(
    ("threshold", "zero", "half", "one"),
    [
        (-1.0, True, True, True),
        (0.0, True, True, True),
        (1e-9, False, True, True),
        (1.0, False, False, True),
        (1.5, False, False, False),
        (math.inf, False, False, False),
        (math.nan, False, False, False),
        (-math.inf, True, True, True),
    ],
)
@pytest.mark.parametrize("smoothing", [RAW, Smoothing()], ids=["raw", "smoothed"])
def test_thresholds_beyond_the_scale_mean_what_they_mean_of_one_picture(
    threshold: float, zero: bool, half: bool, one: bool, smoothing: Smoothing
) -> None:
    for cat, expected in ((0.0, zero), (0.5, half), (1.0, one)):
        assert play(smoother(smoothing, threshold), [cat] * 9)[-1] == expected


@pytest.mark.parametrize("threshold", [1e-6, 0.01, 0.5, 0.99, 1 - 1e-6])
def test_a_score_of_one_enters_and_a_score_of_zero_leaves_whatever_the_margins(
    threshold: float,
) -> None:
    of = smoother(Smoothing(average_s=0.2, enter=30, leave=30), threshold)
    there = play(of, [1.0] * 30 + [0.0] * 30)
    assert there[29]
    assert not there[59]


def test_thresholds_of_another_count_are_refused() -> None:
    with pytest.raises(CdulEdgeError, match=r"shape \(3,\), expected \(2,\)"):
        Smoother(TWO, np.full(3, 0.5, np.float32))


@pytest.mark.parametrize("bad", [math.nan, -0.1, 1.1, math.inf])
def test_a_score_that_is_none_is_refused_and_changes_nothing(bad: float) -> None:
    of, untouched = smoother(Smoothing()), smoother(Smoothing())
    for one in (of, untouched):
        play(one, [0.9] * 5)
    with pytest.raises(CdulEdgeError, match=r"score of dog is .*, expected a number in \[0, 1\]"):
        of.update(two(0.1, bad), 0.5)
    after, expected = of.update(two(0.2), 0.6), untouched.update(two(0.2), 0.6)
    assert np.array_equal(after.scores, expected.scores)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(CdulEdgeError, match="time of a frame"):
        smoother(RAW).update(two(0.9), bad)


def test_scores_of_another_shape_are_refused() -> None:
    with pytest.raises(CdulEdgeError, match=r"shape \(1, 2\), expected \(2,\)"):
        smoother(RAW).update(two(0.9)[None], 0.0)


def test_all_values_that_are_wrong_stand_in_one_error() -> None:
    with pytest.raises(CdulEdgeError) as caught:
        Smoothing(average_s=-1, enter=math.nan, gone_s="long", reset_s=0)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "smoothing: average_s is -1, expected seconds, 0 or more; "
        "enter is nan, expected a finite number of logits; "
        "gone_s is 'long', expected seconds, 0 or more; "
        "reset_s is 0, expected seconds, more than 0"
    )


@pytest.mark.parametrize(
    "bad", [{"appear_s": True}, {"appear_s": math.inf}, {"leave": math.inf}, {"reset_s": None}]
)
def test_one_value_that_is_wrong_is_named(bad: dict[str, float]) -> None:
    with pytest.raises(CdulEdgeError, match=f"^smoothing: {next(iter(bad))} is"):
        Smoothing(**bad)


def test_a_label_that_would_go_where_it_appears_is_refused() -> None:
    with pytest.raises(CdulEdgeError, match=r"enter \+ leave to be 0 or more"):
        Smoothing(enter=-0.5, leave=0.4)
    Smoothing(enter=-0.4, leave=0.4)
    Smoothing(reset_s=math.inf)


# --- laws

SCORES = arrays(np.float32, (12, 4), elements=st.floats(0, 1, width=32))
STEPS = st.lists(
    st.sampled_from([0.0, 0.02, 0.04, 0.1, 0.3, 6.0, -0.4, -3.0]), min_size=12, max_size=12
)
SECONDS = st.sampled_from([0.0, 0.05, 0.2, 1.0])
SMOOTHINGS = st.builds(
    Smoothing,
    average_s=SECONDS,
    enter=st.sampled_from([-0.2, 0.0, 0.5]),
    leave=st.sampled_from([0.2, 0.4, 2.0]),
    appear_s=SECONDS,
    gone_s=SECONDS,
)
THRESHOLDS = arrays(np.float32, 4, elements=st.floats(0, 1, width=32))
FOUR = ClassList(("a", "b", "c", "d"))
laws = settings(deadline=None, max_examples=50, derandomize=True, database=None)


def changes_of(
    of: Smoother, scores: Scores, steps: list[float]
) -> tuple[npt.NDArray[np.bool_], list[LabelChange]]:
    present, now = [], 0.0
    changes: list[LabelChange] = []
    for row, step in zip(scores, steps, strict=True):
        now += step
        result = of.update(row, now)
        present.append(result.present)
        changes += result.changes
    return np.array(present), [*changes, *of.close(now)]


@given(SCORES, THRESHOLDS, st.lists(st.floats(0, 0.5), min_size=12, max_size=12))
@laws
def test_without_average_margins_and_durations_the_labels_are_the_raw_ones(
    scores: Scores, thresholds: Scores, steps: list[float]
) -> None:
    present, _ = changes_of(Smoother(FOUR, thresholds, RAW), scores, steps)
    assert np.array_equal(present, scores >= thresholds)


@given(SCORES, THRESHOLDS, STEPS, SMOOTHINGS, st.permutations(range(4)))
@laws
def test_permuting_the_classes_permutes_what_comes_out(
    scores: Scores,
    thresholds: Scores,
    steps: list[float],
    smoothing: Smoothing,
    order: list[int],
) -> None:
    present, changes = changes_of(Smoother(FOUR, thresholds, smoothing), scores, steps)
    names = ClassList(tuple(FOUR.names[c] for c in order))
    permuted = Smoother(names, thresholds[order], smoothing)
    present_then, changes_then = changes_of(permuted, scores[:, order], steps)
    assert np.array_equal(present_then, present[:, order])
    assert sorted(changes_then, key=repr) == sorted(changes, key=repr)


@given(SCORES, THRESHOLDS, STEPS, SMOOTHINGS)
@laws
def test_every_appearance_is_followed_by_exactly_one_end(
    scores: Scores, thresholds: Scores, steps: list[float], smoothing: Smoothing
) -> None:
    _, changes = changes_of(Smoother(FOUR, thresholds, smoothing), scores, steps)
    there: dict[str, LabelAppeared] = {}
    for change in changes:
        if isinstance(change, LabelAppeared):
            assert change.label not in there
            assert change.since_s <= change.time_s
            there[change.label] = change
        else:
            began = there.pop(change.label)
            assert change.since_s == began.since_s <= change.until_s <= change.time_s
            assert change.peak >= began.score
    assert there == {}


@given(SCORES, THRESHOLDS, STEPS, SMOOTHINGS)
@laws
def test_changes_are_the_differences_of_what_is_present(
    scores: Scores, thresholds: Scores, steps: list[float], smoothing: Smoothing
) -> None:
    of, now, there = Smoother(FOUR, thresholds, smoothing), 0.0, set[str]()
    for row, step in zip(scores, steps, strict=True):
        now += step
        result = of.update(row, now)
        for change in result.changes:
            (there.add if isinstance(change, LabelAppeared) else there.remove)(change.label)
        assert there == {FOUR.names[c] for c in np.flatnonzero(result.present)}


@given(SCORES, THRESHOLDS, SMOOTHINGS)
@laws
def test_frames_twice_as_often_give_the_same_scores_at_the_same_moments(
    scores: Scores, thresholds: Scores, smoothing: Smoothing
) -> None:
    # each row holds for a quarter of a second after the one before, seen once or twice
    def smoothed(times: int) -> Scores:
        of = Smoother(FOUR, thresholds, smoothing)
        of.update(scores[0], 0.0)
        held = [
            of.update(row, (k + (j + 1) / times) / 4).scores
            for k, row in enumerate(scores)
            for j in range(times)
        ]
        return np.array(held[times - 1 :: times])

    assert smoothed(2) == pytest.approx(smoothed(1), abs=1e-6)

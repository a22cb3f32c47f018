"""The last minutes of a stream, against the training pictures."""

from __future__ import annotations

import numpy as np
import pytest

from cdul_edge_runtime.bundle.log_odds import sigmoid
from cdul_edge_runtime.bundle.score_reference import ScoreReference
from cdul_edge_runtime.metrics.drift import measure_drift
from cdul_edge_runtime.streams.figures.drift_window import DriftWindow

STEPS = sigmoid(np.linspace(-4, 4, 1000))[(np.arange(1000) * 617) % 1000]
THEN = np.stack([STEPS, STEPS], axis=1).astype(np.float32)


@pytest.fixture
def reference() -> ScoreReference:
    return ScoreReference.of(THEN, np.full(2, 0.5), ("cat", "dog"))


def test_a_bundle_without_a_reference_is_said_to_have_none() -> None:
    window = DriftWindow(None)
    window.add(np.zeros(2), 1.0)
    assert (window.measure(), window.note, window.frames) == (None, "no reference", 0)


def test_too_few_frames_are_counted_until_there_are_enough(reference: ScoreReference) -> None:
    window = DriftWindow(reference)
    assert window.note == "too few frames: 0 of 100"
    for second in range(12):
        window.add(THEN[second], 1e9 + second)
    assert window.note == "too few frames: 12 of 100"
    assert window.measure() is None
    for second in range(12, 100):
        window.add(THEN[second], 1e9 + second)
    assert window.note is None
    report = window.measure()
    assert report is not None
    assert report == measure_drift(THEN[:100], reference)


@pytest.mark.parametrize("fps", [1, 3, 10, 25, 29.97])
def test_one_frame_a_second_counts_at_any_rate(reference: ScoreReference, fps: float) -> None:
    window = DriftWindow(reference)
    for frame in range(int(30 * fps) + 1):
        window.add(THEN[frame], 1.7e9 + frame / fps)
    # 29.97 fps has no frame at whole seconds: the next one counts, 1.001 s after the last
    assert window.frames in ((30, 31) if fps == 29.97 else (31,))


@pytest.mark.parametrize("rate", [0.3, 0.1, 0.01])
def test_a_stream_of_few_frames_has_a_longer_window(reference: ScoreReference, rate: float) -> None:
    window = DriftWindow.at_rate(reference, rate)
    for frame in range(200):
        window.add(THEN[frame], frame / rate)
    assert 100 <= window.frames <= 111
    assert window.measure() is not None
    assert len(window._times) == 301


@pytest.mark.parametrize("rate", [None, 5.0, 1.0])
def test_a_stream_of_many_frames_has_five_minutes(
    reference: ScoreReference, rate: float | None
) -> None:
    window = DriftWindow.at_rate(reference, rate)
    for second in range(400):
        window.add(THEN[second], float(second))
    assert window.frames == 300


def test_only_the_last_minutes_count_in_the_order_they_came(reference: ScoreReference) -> None:
    window = DriftWindow(reference, window_s=10, least=5)
    for second in range(57):
        window.add(THEN[second], float(second))
    assert window.frames == 10
    assert window.measure() == measure_drift(THEN[47:57], reference)
    window.add(THEN[99], 1000.0)  # after a long loss
    assert window.frames == 1
    assert window.note == "too few frames: 1 of 5"


def test_a_clock_that_jumps_back_starts_anew_and_one_that_trembles_does_not(
    reference: ScoreReference,
) -> None:
    window = DriftWindow(reference)
    for time_s in (100.0, 101.0, 100.9, 102.0, 101.5, 103.0):
        window.add(THEN[0], time_s)
    assert window.frames == 4
    window.add(THEN[0], 50.0)
    window.add(THEN[0], 51.0)
    assert window.frames == 2


def test_a_frame_without_scores_is_left_out(reference: ScoreReference) -> None:
    window = DriftWindow(reference)
    window.add(np.array([0.5, np.nan]), 1.0)
    window.add(np.array([0.5, 0.5]), 1.1)
    assert window.frames == 1


def test_memory_is_taken_once(reference: ScoreReference) -> None:
    window = DriftWindow(reference, window_s=20)
    held = window._scores, window._times
    for second in range(100):
        window.add(THEN[second], float(second))
    assert held[0] is window._scores
    assert held[1] is window._times
    assert held[0].shape == (21, 2)

"""Figures of labels in videos, by hand; and what smoothing must keep of a score that hovers."""

import json

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.streams.forward_filter import ForwardFilter
from benchmarks.streams.presence_figures import flips_a_minute, measure
from benchmarks.tables.markdown import RESULTS
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.log_odds import sigmoid
from cdul_edge_runtime.streams.labels.smoothing import Smoother, Smoothing

FPS = 10


def one_video(*presences: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """(1, 600, 2): a minute in which the first class is there from one frame up to another."""
    labels = np.zeros((1, 600, 2), np.bool_)
    for start, end in presences:
        labels[0, start:end, 0] = True
    return labels


def test_figures_of_a_minute_can_be_counted_by_hand() -> None:
    truth = one_video((100, 200), (300, 305), (400, 500))
    labels = one_video((105, 200), (250, 251))
    found = measure(labels.astype(np.float32), labels, truth, FPS)
    assert found.flips == flips_a_minute(labels, FPS) == 4
    assert (found.found, found.delay_p50_s) == (50, 0.5)  # the second is too short to be asked for
    assert found.false == 1  # more than a second from any true one
    assert found.f1 == pytest.approx(200 * 95 / (96 + 205))
    assert found.labels == pytest.approx(96 / 205)


def test_a_filter_holds_what_it_believes_against_a_single_frame() -> None:
    scores = np.full((1, 100, 1), 0.9, np.float32)
    scores[0, 60] = 0.1
    _, labels = ForwardFilter(6, 10, 0.8, 0, 0).run(scores, np.array([0.5], np.float32), FPS)
    assert labels[0, 50:, 0].all()


def test_a_score_that_hovers_below_its_threshold_is_no_label_most_of_the_time() -> None:
    rng = np.random.default_rng(0)
    smoother = Smoother(ClassList(("cat", "dog")), np.full(2, 0.4, np.float32), Smoothing())
    logits = rng.normal([-0.2, -0.6], 0.2, (3000, 2)) + np.log(0.4 / 0.6)
    logits[:25, 0] += 0.6  # the cat is there for a second
    scores = sigmoid(logits).astype(np.float32)
    present = np.array([smoother.update(row, k / 25).present for k, row in enumerate(scores)])
    assert (present.mean(axis=0) <= (scores >= np.float32(0.4)).mean(axis=0)).all()


def test_the_defaults_are_those_that_were_chosen_and_they_meet_every_bar() -> None:
    found = json.loads((RESULTS / "stream_smoothing.json").read_text())["figures"]
    assert Smoothing(**found["chosen"]) == Smoothing()
    assert found["judged_on"]["smoothed"]["within"]

"""Which frames are taken, and how long a lost source waits."""

from __future__ import annotations

import random

import pytest

from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.reading.backoff import Backoff
from cdul_edge_runtime.streams.reading.pace import Pace
from tests.fakes.stream_source import pixels


def taken(pace: Pace, times: list[float], *, pts: bool = True) -> list[float]:
    frames = [Frame(pixels(), t, pts_s=t if pts else None, arrived_s=t) for t in times]
    return [round(frame.time_s, 3) for frame in frames if pace.is_due(frame)]


@pytest.mark.parametrize("finite", [True, False])
def test_at_5_a_second_each_fifth_frame_of_25_a_second_is_taken(finite: bool) -> None:
    times = [n * 0.04 for n in range(250)]
    assert taken(Pace(5, finite=finite), times) == [round(n * 0.2, 3) for n in range(50)]


def test_rates_that_do_not_divide_are_met_on_average() -> None:
    # Due at 0, 0.1, 0.2 …, and the first frame from then on is taken.
    found = taken(Pace(10, finite=True), [n * 0.04 for n in range(26)])
    assert found == [0.0, 0.12, 0.2, 0.32, 0.4, 0.52, 0.6, 0.72, 0.8, 0.92, 1.0]


def test_a_rate_above_the_streams_own_takes_every_frame() -> None:
    times = [n / 25 for n in range(10)]
    assert len(taken(Pace(30, finite=True), times)) == 10
    assert len(taken(Pace(None, finite=False), times)) == 10


def test_frames_that_arrive_unevenly_do_not_halve_the_rate() -> None:
    jitter = random.Random(3)
    times = [n / 25 + jitter.uniform(0, 0.015) for n in range(1000)]
    assert len(taken(Pace(25, finite=False), times)) > 980


def test_after_a_pause_frames_are_not_made_up_for() -> None:
    times = [0.0, 10.0, 10.04, 10.08, 10.12, 10.16, 10.2]
    assert taken(Pace(5, finite=False), times) == [0.0, 10.0, 10.2]


def test_a_time_that_goes_back_does_not_stop_the_frames() -> None:
    assert taken(Pace(5, finite=True), [100.0, 0.0, 0.1, 0.2]) == [100.0, 0.0, 0.2]


def test_a_bag_without_presentation_times_is_paced_by_its_stamps() -> None:
    assert taken(Pace(1, finite=True), [7.0, 7.5, 8.0], pts=False) == [7.0, 8.0]


def test_waits_double_from_half_a_second_to_thirty_and_begin_anew_after_ten_healthy() -> None:
    backoff = Backoff()
    expected = [0.5, 1, 2, 4, 8, 16, 30, 30]
    for wait_s in expected:
        assert 0.8 * wait_s <= backoff.wait_s(healthy_s=9.9) <= 1.2 * wait_s
    assert 0.4 <= backoff.wait_s(healthy_s=10.0) <= 0.6


def test_two_cameras_are_not_tried_at_the_same_time() -> None:
    assert len({Backoff().wait_s(0.0) for _ in range(20)}) > 15

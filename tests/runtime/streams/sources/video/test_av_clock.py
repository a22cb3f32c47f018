"""Stamps of files and cameras become seconds that smoothing can count."""

from __future__ import annotations

import itertools
import math

import pytest

from cdul_edge_runtime.streams.sources.video.av_clock import Backlog, CameraClock, FileClock


def steps(stamps: list[float | None], fps: float | None = 25) -> list[float]:
    clock = FileClock(1000.0, fps)
    dated = [clock.date(stamp) for stamp in stamps]
    assert dated[0] == 1000
    return [round(b - a, 3) for a, b in itertools.pairwise(dated)]


def test_a_file_is_dated_from_its_opening_at_its_own_pace() -> None:
    assert steps([5.0, 5.5, 5.6]) == [0.5, 0.1]
    assert steps([-0.2, -0.1, 0.0]) == [0.1, 0.1]


def test_a_stamp_that_goes_back_jumps_or_lacks_counts_as_one_frame() -> None:
    assert steps([5.0, 5.1, 0.0, 0.2]) == [0.1, 0.04, 0.2]
    assert steps([0.0, 95_443.7, 95_443.8]) == [0.04, 0.1]  # 33 bits of MPEG's 90 kHz
    assert steps([None, None, 7.0, None, 7.5]) == [0.04, 0.04, 0.04, 0.5]
    assert steps([None, None], fps=None) == [0.04]
    assert steps([0.0, 3600.0]) == [3600.0]  # a camera that records when something moves


class Hand:
    """A clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, now_s: float) -> None:
        self.now_s = now_s
        monkeypatch.setattr("time.time", lambda: self.now_s)
        monkeypatch.setattr("time.monotonic", lambda: self.now_s)


def test_a_camera_is_dated_by_its_clock_where_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    hand = Hand(monkeypatch, 1000.0)
    clock = CameraClock()
    assert clock.date(None) == (1000.0, "arrival")
    hand.now_s = 1000.04
    assert clock.date(999.98) == (1000.0, "camera")  # not before the one that preceded it
    hand.now_s = 1000.08
    assert clock.date(1000.02) == (1000.02, "camera")
    assert clock.date(1000.08 + 61) == (1000.08, "arrival")
    assert clock.date(3.0) == (1000.08, "arrival")  # counts from its start
    assert clock.date(math.nan) == (1000.08, "arrival")


def test_a_clock_that_was_set_back_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    hand = Hand(monkeypatch, 1000.0)
    clock = CameraClock()
    clock.date(None)
    hand.now_s = 400.0
    assert clock.date(None) == (400.0, "arrival")


def test_frames_that_were_buffered_are_old_until_one_was_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hand = Hand(monkeypatch, 1000.0)
    backlog = Backlog()
    arrivals = [(0.0, None), (0.001, 0.04), (0.002, 0.08), (0.03, 0.12), (0.031, 0.16)]
    held = []
    for after_s, pts_s in arrivals:
        hand.now_s = 1000 + after_s
        held.append(backlog.holds(pts_s))
    assert held == [True, True, True, False, False]


def test_a_source_that_never_lets_anybody_wait_is_read_after_two_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hand = Hand(monkeypatch, 1000.0)
    backlog = Backlog()
    held = []
    for number in range(5):
        hand.now_s = 1000 + number * 0.51
        held.append(backlog.holds(number * 10.0))
    assert held == [True, True, True, True, False]

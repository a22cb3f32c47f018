"""Frames from callbacks: the newest counts, silence is a loss, and nothing waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.source import StreamEnded, StreamLost
from cdul_edge_runtime.streams.sources.push_source import PushSource
from tests.fakes.stream_source import PATIENCE_S


def frame(time_s: float) -> Frame:
    return Frame(np.zeros((1, 1, 3), np.uint8), time_s)


def test_the_newest_frame_replaces_those_that_nobody_took() -> None:
    source = PushSource()
    for time_s in (1.0, 2.0, 3.0):
        source.offer(frame(time_s))
    source.open()
    frames = source.frames()
    assert next(frames).time_s == 3.0
    source.offer(frame(4.0))
    source.end()
    assert next(frames).time_s == 4.0
    with pytest.raises(StreamEnded):
        next(frames)


def test_frames_that_nobody_takes_leave_nothing_behind() -> None:
    source = PushSource()
    for number in range(1000):
        source.offer(frame(float(number)))
    assert (len(source._slot), source._wakes.qsize()) == (1, 1)


def test_silence_is_a_loss_and_the_next_frame_opens_it_again() -> None:
    source = PushSource(timeout_s=0.02)
    source.offer(frame(1.0))
    source.open()
    frames = source.frames()
    next(frames)
    with pytest.raises(StreamLost, match=r"no frame came for 0\.02 s"):
        next(frames)
    thread = threading.Thread(target=lambda: source.offer(frame(2.0)))
    thread.start()
    source.open()
    thread.join()
    assert next(source.frames()).time_s == 2.0


def wait_in_open(source: PushSource) -> list[Frame]:
    source.open()
    return list(source.frames())


def wait_in_frames(source: PushSource) -> list[Frame]:
    return list(source.frames())


@pytest.mark.parametrize("wait", [wait_in_open, wait_in_frames])
def test_an_interrupt_ends_every_wait(wait: Callable[[PushSource], list[Frame]]) -> None:
    source = PushSource(timeout_s=60)
    thread = threading.Thread(target=wait, args=(source,))
    thread.start()
    source.interrupt()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()

"""Drawn videos: what moves, what is true of it, and what the camera adds."""

import itertools

import numpy as np
import pytest

from benchmarks.streams.drawn_video import Camera, DrawnFrame, Thing, draw_video
from cdul_edge.demo.pictures import CLASS_NAMES


def frames(seed: int, seconds: float, fps: float, camera: Camera | None = None) -> list[DrawnFrame]:
    return list(draw_video(seed, seconds, fps, camera))


def thing(rest: float | None = None, from_right: bool = False) -> Thing:
    return Thing(0, "red", 0.1, 7, 100, 2.0, 4.0, 0.5, 0.0, rest, from_right)


def test_another_frame_rate_shows_the_same_things_at_the_same_moments() -> None:
    slow, fast = frames(3, 2, 5), frames(3, 2, 10)
    for here, there in zip(slow, fast[::2], strict=True):
        assert here.time_s == there.time_s
        assert np.array_equal(here.picture, there.picture)
        assert np.array_equal(here.labels, there.labels)


def test_a_camera_changes_pictures_and_never_the_truth() -> None:
    clean, noisy, again = (frames(3, 1, 5, camera) for camera in (None, Camera(), Camera()))
    for a, b, c in zip(clean, noisy, again, strict=True):
        assert np.array_equal(a.labels, b.labels)
        assert not np.array_equal(a.picture, b.picture)
        assert np.array_equal(b.picture, c.picture)
        assert b.picture.shape == (144, 144, 3)


@pytest.mark.parametrize("from_right", [False, True])
def test_a_thing_crosses_the_picture_or_leaves_as_it_came(from_right: bool) -> None:
    def x(one: Thing, time_s: float) -> float:
        center = one.center(time_s)
        assert center is not None
        return 1 - center[0] if from_right else center[0]

    crossing, staying = thing(None, from_right), thing(0.5, from_right)
    assert [x(crossing, t) for t in (2, 4, 6)] == pytest.approx([-0.12, 0.5, 1.12])
    assert [x(staying, t) for t in (2, 3, 4, 5, 6)] == pytest.approx([-0.12, 0.5, 0.5, 0.5, -0.12])
    assert crossing.center(1.99) is None
    assert crossing.center(6.01) is None


def test_labels_come_and_go() -> None:
    labels = np.array([frame.labels for frame in frames(1, 20, 2)])
    assert labels.shape == (40, len(CLASS_NAMES))
    changes = sum(int((a != b).sum()) for a, b in itertools.pairwise(labels))
    assert changes >= 5
    assert not labels.all(axis=0).any()

"""RTSP cameras on this machine: healthy, frozen, killed, with a login, and changing midway."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from cdul_edge_runtime.choices import TRANSPORTS, Transport
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.source import Source, SourceInfo, StreamLost
from cdul_edge_runtime.streams.sources.open_source import SourceOptions, open_source
from tests.fakes.rtsp_camera import Camera, read_stamp, rtsp_camera
from tests.fakes.stream_source import PATIENCE_S
from tests.fakes.watched import begin

pytest.importorskip("av", reason="needs cdul-edge[video]")

TIMEOUT_S = 1.0  # of cameras that are expected to send nothing
PASSWORD = "p@:/%?#w"


@pytest.fixture(scope="module")
def camera() -> Iterator[Camera]:
    """One for all tests that leave it as it was."""
    with rtsp_camera() as running:
        yield running


def source_of(url: str, transport: Transport = "tcp", timeout_s: float = 15.0) -> Source:
    return open_source(url, SourceOptions(transport, timeout_s))


def connect(source: Source) -> SourceInfo:
    """As a watch would: this server loses a viewer who comes while another one leaves."""
    for _ in range(4):
        with contextlib.suppress(StreamLost):
            return source.open()
    return source.open()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_frames_come_in_order_with_the_time_of_each(camera: Camera, transport: Transport) -> None:
    source = source_of(camera.url(), transport)
    assert not source.finite
    info = connect(source)
    assert (info.width_px, info.height_px, info.codec, info.fps) == (320, 240, "h264", 25)
    frames = list(itertools.islice(source.frames(), 10))
    source.close()
    stamps = [read_stamp(frame.pixels()) for frame in frames]
    # a busy machine may miss some
    assert all(a.number < b.number for a, b in itertools.pairwise(stamps))
    dated = [frame.time_s for frame in frames]
    assert dated == sorted(dated)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_frozen_camera_is_noticed(transport: Transport) -> None:
    with rtsp_camera() as camera:
        source = source_of(camera.url(), transport, TIMEOUT_S)
        frames = begin(source)
        camera.freeze()
        frozen_s = time.monotonic()
        with pytest.raises(StreamLost, match="it sent no video for 1 s"):
            for _ in frames:
                pass
        assert time.monotonic() - frozen_s < PATIENCE_S  # benchmarks hold the figure itself
        source.close()
        with pytest.raises(StreamLost, match="no answer for 1 s"):
            source.open()


def test_a_camera_that_answers_without_pictures_is_lost(camera: Camera) -> None:
    source = source_of(camera.url(), timeout_s=TIMEOUT_S)
    frames = begin(source)
    camera.pause_pictures()
    with pytest.raises(StreamLost, match="it sent no video for 1 s"):
        for _ in frames:
            pass
    source.close()
    camera.resume_pictures()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_killed_camera_is_noticed_at_once_and_comes_back(transport: Transport) -> None:
    with rtsp_camera() as camera:
        source = source_of(camera.url(), transport, 2 * PATIENCE_S)
        frames = begin(source)
        camera.kill()
        killed_s = time.monotonic()
        with pytest.raises(StreamLost, match=r"the (stream ended|connection broke)"):
            for _ in frames:
                pass
        assert time.monotonic() - killed_s < PATIENCE_S  # no time-out was waited for
        source.close()
        with pytest.raises(StreamLost, match="connection refused: nothing listens at that port"):
            source.open()
        camera.start()
        begin(source)
        source.close()


def interrupt_soon(source: Source, frames: Iterator[object]) -> None:
    """Read on while another thread interrupts."""
    interrupted = threading.Timer(0.2, source.interrupt)
    interrupted.start()
    try:
        for _ in frames:
            pass
    finally:
        interrupted.join()
        source.close()


def test_an_interrupt_ends_a_healthy_and_a_frozen_stream() -> None:
    with rtsp_camera() as camera:
        source = source_of(camera.url(), timeout_s=2 * PATIENCE_S)
        begun_s = time.monotonic()
        interrupt_soon(source, begin(source))
        assert time.monotonic() - begun_s < PATIENCE_S
        for _ in range(4):  # where the machine stands still, the time-out may come first
            source = source_of(camera.url(), timeout_s=TIMEOUT_S)
            frames = begin(source)
            camera.freeze()
            with contextlib.suppress(StreamLost):
                interrupt_soon(source, frames)
                return
            camera.thaw()
        raise AssertionError("it is lost before it is interrupted")


@pytest.mark.parametrize("password", [PASSWORD, quote(PASSWORD, safe="")])
def test_a_login_is_sent_and_never_shown(password: str, capfd: pytest.CaptureFixture[str]) -> None:
    with rtsp_camera(login=("an@na", PASSWORD)) as camera:
        source = source_of(camera.url(login=("an@na", password)))
        connect(source)
        next(iter(source.frames()))
        source.close()
        for login in (None, ("an@na", "hunter2")):
            with pytest.raises(CdulEdgeError, match="it refused the login") as caught:
                source_of(camera.url("cam0?token=hunter3", login=login)).open()
            assert type(caught.value) is CdulEdgeError
            assert "hunter" not in repr(caught.value)
            assert caught.value.__context__ is None  # FFmpeg's error has the address in it
    assert capfd.readouterr() == ("", "")


def test_a_path_that_is_not_there_fails_at_once(camera: Camera) -> None:
    with pytest.raises(CdulEdgeError, match="/garden: it has no such stream") as caught:
        source_of(camera.url("garden")).open()
    assert type(caught.value) is CdulEdgeError


def test_a_stream_without_video_fails(camera: Camera) -> None:
    """This server is busy (5XX) for a moment after video was asked for that it has not."""
    source, failure = source_of(camera.url("sound")), CdulEdgeError("")
    for _ in range(50):
        with pytest.raises(CdulEdgeError) as caught:
            source.open()
        failure = caught.value
        if not isinstance(failure, StreamLost):
            break
        time.sleep(0.1)
    assert str(failure) == f"{camera.url('sound')}: it has no video, only audio"


def test_size_and_pixel_format_may_change_within_a_stream() -> None:
    with rtsp_camera() as camera:
        source = source_of(camera.url())
        connect(source)
        frames = source.frames()
        assert next(frames).pixels().shape == (240, 320, 3)
        camera.resize(400, 300)
        shapes = (frame.pixels().shape for frame in itertools.islice(frames, 100))
        assert (300, 400, 3) in shapes
        camera.change_format("Y444")
        assert all(frame.pixels().shape == (300, 400, 3) for frame in itertools.islice(frames, 30))
        source.close()


@pytest.mark.slow
def test_the_clock_of_the_camera_dates_its_frames_once_it_is_known(camera: Camera) -> None:
    """It comes with the first report of RTCP, up to five seconds after the first frame."""
    source = source_of(camera.url())
    connect(source)
    frame = next(frame for frame in source.frames() if frame.clock == "camera")
    assert abs(frame.time_s - read_stamp(frame.pixels()).time_s) < 0.5
    source.close()

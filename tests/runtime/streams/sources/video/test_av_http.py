"""Motion JPEG over HTTP from a server on this machine, and what else web servers answer."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.source import Source, StreamEnded, StreamLost
from cdul_edge_runtime.streams.sources.open_source import SourceOptions, open_source
from tests.fakes.http_camera import LOGIN, HttpCamera, http_camera
from tests.fakes.stream_source import PATIENCE_S
from tests.fakes.video_files import gray_levels, write_video
from tests.fakes.watched import begin

TIMEOUT_S = 1.0  # of servers that are expected to send nothing


@pytest.fixture(scope="module")
def camera() -> Iterator[HttpCamera]:
    with http_camera() as running:
        yield running


def source_of(url: str, timeout_s: float = 30.0) -> Source:
    return open_source(url, SourceOptions(timeout_s=timeout_s))


def read(url: str, count: int | None = None) -> list[Frame]:
    source = source_of(url)
    source.open()
    try:
        return list(itertools.islice(source.frames(), count))
    finally:
        source.close()


def test_frames_come_dated_by_their_arrival(camera: HttpCamera) -> None:
    source = source_of(camera.url("/mjpeg"))
    assert not source.finite
    assert source.open().codec == "mjpeg"
    begun_s = time.time()
    frames = list(itertools.islice(source.frames(), 10))
    source.close()
    assert {frame.clock for frame in frames} == {"arrival"}
    stamps = [frame.time_s for frame in frames]
    assert begun_s <= stamps[0] < stamps[9] <= time.time()
    assert stamps == sorted(stamps)
    assert abs(frames[0].pixels().mean() - 200) < 3


def test_what_was_buffered_while_it_was_opened_is_passed_over(camera: HttpCamera) -> None:
    """The first frame was waited for, so that its arrival is when it was taken."""
    source = source_of(camera.url("/mjpeg"))
    source.open()
    first = next(iter(source.frames()))
    source.close()
    assert first.pts_s is not None
    assert first.pts_s > 0


def test_a_stream_that_ends_is_lost(camera: HttpCamera) -> None:
    with pytest.raises(StreamLost, match=r"/ends: the (connection broke|stream ended)"):
        read(camera.url("/ends"))


def test_a_frozen_stream_is_lost_after_the_time_out(camera: HttpCamera) -> None:
    source = source_of(camera.url("/freezes"), TIMEOUT_S)
    frames = begin(source)
    begun_s = time.monotonic()
    with pytest.raises(StreamLost, match="/freezes: it sent no video for 1 s"):
        for _ in frames:
            pass
    assert time.monotonic() - begun_s < PATIENCE_S
    source.close()


def test_a_server_that_does_not_answer_is_lost_after_the_time_out(camera: HttpCamera) -> None:
    begun_s = time.monotonic()
    with pytest.raises(StreamLost, match="/silent: no answer for 1 s"):
        source_of(camera.url("/silent"), TIMEOUT_S).open()
    assert time.monotonic() - begun_s < PATIENCE_S


def test_an_interrupted_stream_ends_at_once(camera: HttpCamera) -> None:
    source = source_of(camera.url("/mjpeg"))
    frames = begin(source)
    timer = threading.Timer(0.1, source.interrupt)
    timer.start()
    for _ in frames:
        pass
    timer.join()
    source.close()


def test_a_picture_may_change_its_size(camera: HttpCamera) -> None:
    shapes = {frame.pixels().shape for frame in read(camera.url("/resizes"), 40)}
    assert shapes == {(48, 64, 3), (64, 96, 3)}


@pytest.mark.parametrize("login", [LOGIN, f"anna:{quote('p@ss/w:rd%', safe='')}"])
def test_a_password_is_sent_and_never_shown(camera: HttpCamera, login: str) -> None:
    assert len(read(camera.url("/private", login), 3)) == 3


@pytest.mark.parametrize("login", ["", "anna:hunter2"])
def test_a_wrong_password_fails_at_once_and_is_never_shown(
    camera: HttpCamera, login: str, capfd: pytest.CaptureFixture[str]
) -> None:
    source = source_of(camera.url("/private?token=hunter3", login))
    with pytest.raises(CdulEdgeError, match="it refused the login") as caught:
        source.open()
    assert not isinstance(caught.value, StreamLost)
    shown = f"{caught.value!r} {caught.value.__cause__} {source!r}"
    assert "hunter" not in shown
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nothing", "it has no such stream (Server returned 404 Not Found); check what follows"),
        ("/page", "it answers with something that is not a video, such as a web page; name the"),
        ("/picture", "it answers with one picture; name the address of its MJPEG stream"),
        ("/list", "it sends a list of other files, or leads to one here: name the address of a"),
        ("/leads-here", "it sends a list of other files, or leads to one here"),
    ],
)
def test_what_no_second_try_cures_fails_at_once(camera: HttpCamera, path: str, reason: str) -> None:
    with pytest.raises(CdulEdgeError) as caught:
        source_of(camera.url(path)).open()
    assert type(caught.value) is CdulEdgeError
    assert str(caught.value).startswith(f"{camera.url(path)}: {reason}")


def test_a_server_in_trouble_may_come_back(camera: HttpCamera) -> None:
    with pytest.raises(StreamLost, match="/broken: Server returned 5XX Server Error"):
        source_of(camera.url("/broken")).open()


def test_a_camera_that_starts_again_may_answer_404_for_a_while() -> None:
    with http_camera() as camera:
        source = source_of(camera.url("/mjpeg"))
        source.open()
        source.close()
        camera.starts = True
        with pytest.raises(StreamLost, match="it has no such stream"):
            source.open()


def test_a_recording_on_a_server_is_read_whole_and_ends(camera: HttpCamera, tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.mp4", gray_levels()).read_bytes()
    camera.files |= {"/a.mp4": data, "/recording": data}
    assert source_of(camera.url("/a.mp4")).finite
    assert len(read(camera.url("/a.mp4?channel=1"))) == 10
    with pytest.raises(StreamEnded):
        read(camera.url("/recording"))


def test_nobody_listens_or_knows_the_host() -> None:
    with http_camera() as camera:
        url = camera.url("/mjpeg")
    with pytest.raises(StreamLost, match="connection refused: nothing listens at that port"):
        source_of(url).open()
    with pytest.raises(StreamLost, match="its host") as caught:
        source_of("http://u:hunter2@camera.invalid/x").open()
    assert "hunter" not in str(caught.value)


def test_an_address_of_ipv6_is_read() -> None:
    try:
        with http_camera("::1") as camera:
            assert len(read(camera.url("/mjpeg"), 2)) == 2
    except OSError as error:
        pytest.skip(f"needs IPv6 on this machine: {error}")

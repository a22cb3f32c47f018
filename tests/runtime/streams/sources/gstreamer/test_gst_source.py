"""Pipelines of GStreamer as sources: pixels, ends, losses, and what the errors say."""

from __future__ import annotations

import sysconfig
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.source import Source, StreamEnded, StreamLost
from cdul_edge_runtime.streams.sources.open_source import SourceOptions, open_source
from tests.fakes.rtsp_camera import Camera, read_stamp, rtsp_camera, why_no_camera
from tests.fakes.stream_source import PATIENCE_S
from tests.fakes.watched import begin

try:
    from cdul_edge_runtime.streams.sources.gstreamer.gst_library import Gst, system_gi
except MissingExtraError as error:
    pytest.skip(str(error), allow_module_level=True)
if why_no_camera() is not None:
    pytest.skip(str(why_no_camera()), allow_module_level=True)


def open_pipeline(text: str, timeout_s: float = 30.0) -> Source:
    return open_source(f"gst:{text}", SourceOptions(timeout_s=timeout_s))


def read(text: str, count: int | None = None) -> list[Frame]:
    """The first frames of a pipeline, or all of them."""
    source = open_pipeline(text)
    try:
        source.open()
        frames = []
        for frame in source.frames():
            frames.append(frame)
            if len(frames) == count:
                break
        return frames
    finally:
        source.close()


def camera_pipeline(camera: Camera, path: str = "cam0") -> str:
    return f"rtspsrc location={camera.url(path)} latency=0 protocols=tcp ! decodebin"


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """Three pictures of 33x17: GStreamer pads each of their rows, 99 bytes, to 100."""
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (17, 33, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return tmp_path


def pixels_of(file: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(file).convert("RGB"))


def test_every_frame_of_files_comes_in_order_with_its_pixels_and_time(noise: Path) -> None:
    files = f'multifilesrc location="{noise}/%d.png" caps=image/png,framerate=10/1 ! pngdec'
    assert open_pipeline(files).finite
    frames = read(files)
    assert [frame.pts_s for frame in frames] == pytest.approx([0, 0.1, 0.2])
    assert np.diff([frame.time_s for frame in frames]) == pytest.approx([0.1, 0.1], abs=1e-3)
    for number, frame in enumerate(frames):
        assert frame.color == "rgb"
        assert frame.clock == "arrival"
        np.testing.assert_array_equal(frame.pixels(), pixels_of(noise / f"{number}.png"))


@pytest.mark.parametrize("form", ["RGB", "BGR", "RGBx", "BGRx", "RGBA", "BGRA"])
def test_the_formats_of_an_own_appsink_have_the_same_pixels(noise: Path, form: str) -> None:
    (frame,) = read(
        f'filesrc location="{noise}/0.png" ! pngdec ! videoconvert ! video/x-raw,format={form} '
        "! appsink name=mine"
    )
    expected = pixels_of(noise / "0.png")
    if frame.color == "bgr":
        expected = expected[:, :, ::-1]
    assert frame.color == ("bgr" if form.startswith("BGR") else "rgb")
    np.testing.assert_array_equal(frame.pixels(), expected)
    frame.pixels()[0] = 0  # a copy of one's own to draw on


def test_gray_and_cropped_pictures(noise: Path) -> None:
    expected = pixels_of(noise / "0.png")
    Image.fromarray(expected[:, :, 0]).save(noise / "gray.png")
    (gray,) = read(f'filesrc location="{noise}/gray.png" ! pngdec ! appsink')
    np.testing.assert_array_equal(gray.pixels(), np.repeat(expected[:, :, :1], 3, axis=2))
    (cropped,) = read(f'filesrc location="{noise}/0.png" ! pngdec ! videocrop left=3 top=2 right=1')
    np.testing.assert_array_equal(cropped.pixels(), expected[2:, 3:-1])


@pytest.mark.parametrize(
    ("pipeline", "finite"),
    [
        ("filesrc location=a.mp4 ! decodebin", True),
        ("uridecodebin uri=file:///a.mp4", True),
        ("filesrc location=a.mp4 ! decodebin ! videoconvert ! appsink drop=true", False),
        ("multifilesrc location=%d.png loop=true ! pngdec", False),
        (
            "videotestsrc ! compositor name=c filesrc location=a ! pngdec ! c. c.",
            False,
        ),
        ("uridecodebin uri=rtsp://127.0.0.1/a", False),
        ("videotestsrc num-buffers=3", False),
    ],
)
def test_a_pipeline_is_finite_where_it_reads_files_only(pipeline: str, finite: bool) -> None:
    assert open_pipeline(pipeline).finite is finite


def test_a_pipeline_that_was_told_its_length_ends_well() -> None:
    source = open_pipeline("videotestsrc is-live=true num-buffers=2 ! video/x-raw,width=96")
    assert source.open().width_px == 96
    with pytest.raises(StreamEnded):
        list(source.frames())
    source.close()


def test_a_source_that_is_not_live_keeps_its_pace_and_burns_no_core() -> None:
    begun_s = time.monotonic()
    frames = read("videotestsrc ! video/x-raw,framerate=20/1", 5)
    assert time.monotonic() - begun_s > 0.15  # four steps of 0.05 s
    assert frames[4].pts_s == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ("videotestsrc ! nosuch", 'no element "nosuch"; install the plugin'),
        ("videotestsrc !", "syntax error; expected ELEMENT ! ELEMENT"),
        ("videotestsrc patern=ball", 'no property "patern"'),
        ("audiotestsrc", "could not link audiotestsrc"),
        ("", "syntax error"),
        ("videotestsrc ! appsink videotestsrc ! appsink", "it has 2 appsinks"),
        ("rtspsrc location=rtsp://anna:secret@host/a ! nosuch", "rtsp://***@host/a ! nosuch: "),
    ],
)
def test_a_pipeline_that_does_not_parse_fails_before_it_is_opened(pipeline: str, said: str) -> None:
    with pytest.raises(CdulEdgeError) as caught:
        open_pipeline(pipeline)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ("filesrc location=/nowhere.mp4 ! decodebin", 'No such file "/nowhere.mp4"'),
        (f'filesrc location="{__file__}" ! decodebin', "text file"),
        ("v4l2src device=/dev/video250", "/dev/video250"),
        ("videotestsrc ! video/x-raw,format=I420 ! appsink", "put videoconvert in front"),
        (
            "videotestsrc ! video/x-raw,format=I420 ! appsink caps=video/x-raw",
            "expected video/x-raw",
        ),
        ("audiotestsrc num-buffers=2 ! decodebin", "check that it gives video"),
    ],
)
def test_what_no_second_try_can_cure_is_no_loss(pipeline: str, said: str) -> None:
    with pytest.raises(CdulEdgeError) as caught:
        read(pipeline)
    assert not isinstance(caught.value, StreamLost)
    assert said in str(caught.value)


def test_a_decoder_that_is_missing_is_named(noise: Path) -> None:
    found = [Gst.Registry.get().lookup_feature(name) for name in ("pngdec", "avdec_png")]
    ranks = [(feature, feature.get_rank()) for feature in found if feature is not None]
    for feature, _ in ranks:
        feature.set_rank(Gst.Rank.NONE)  # decodebin then takes it for missing
    try:
        with pytest.raises(CdulEdgeError, match=r"PNG.*decoder; most decoders are in"):
            read(f'filesrc location="{noise}/0.png" ! decodebin')
    finally:
        for feature, rank in ranks:
            feature.set_rank(rank)


def test_a_refused_connection_is_a_loss() -> None:
    with pytest.raises(StreamLost, match="Failed to connect"):
        read("rtspsrc location=rtsp://127.0.0.1:9/a latency=0 ! decodebin")


def test_a_camera_is_read_with_its_time_and_what_it_refuses_is_said() -> None:
    with rtsp_camera(size=(322, 242), login=("anna", "secret")) as camera:
        url = camera.url(login=("anna", "secret"))
        frames = read(f"rtspsrc location={url} latency=0 protocols=tcp ! decodebin", 10)
        assert {frame.pixels().shape for frame in frames} == {(242, 322, 3)}
        late_s = [frame.time_s - read_stamp(frame.pixels()).time_s for frame in frames]
        assert min(map(abs, late_s)) < 1  # a busy machine may stand still in between
        for refused, said in ((url.replace("secret", "wrong"), "401"), (url + "x", "404")):
            with pytest.raises(CdulEdgeError, match=said) as caught:
                read(f"rtspsrc location={refused} latency=0 ! decodebin")
            assert not isinstance(caught.value, StreamLost)
            assert "anna" not in str(caught.value)


@pytest.mark.parametrize("befalls", ["kill", "freeze", "pause_pictures"])
def test_a_camera_that_goes_away_is_a_loss_and_comes_back(befalls: str) -> None:
    with rtsp_camera() as camera:
        source = open_pipeline(camera_pipeline(camera), timeout_s=1.0 if befalls != "kill" else 60)
        frames = begin(source)
        getattr(camera, befalls)()
        with pytest.raises(StreamLost):
            list(frames)
        source.close()
        camera.restart()
        source = open_pipeline(camera_pipeline(camera))
        source.open()
        next(source.frames())
        source.close()


@pytest.mark.parametrize("when", ["opening", "reading"])
def test_an_interrupt_ends_a_wait_for_a_frozen_camera(when: str) -> None:
    with rtsp_camera() as camera:
        source = open_pipeline(camera_pipeline(camera), timeout_s=600)
        if when == "reading":
            source.open()
        camera.freeze()
        timer = threading.Timer(0.3, source.interrupt)
        timer.start()
        if when == "opening":
            source.open()
        assert when == "opening" or len(list(source.frames())) < 100
        source.close()
        timer.join()


def test_a_resolution_that_changes_midway_is_followed() -> None:
    with rtsp_camera() as camera:
        source = open_pipeline(camera_pipeline(camera))
        source.open()
        frames = source.frames()
        assert next(frames).pixels().shape == (240, 320, 3)
        camera.resize(402, 302)
        shapes = {next(frames).pixels().shape for _ in range(50)}
        assert shapes - {(240, 320, 3)} == {(302, 402, 3)}
        source.close()


def test_a_pipeline_that_was_closed_leaves_no_threads_and_files() -> None:
    def held() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), len(
            list(Path("/proc/self/task").iterdir())
        )

    pipeline = "videotestsrc is-live=true ! queue ! videoscale ! queue"
    counts = []
    for _ in range(6):
        read(pipeline, 2)
        counts.append(held())
    end_s = time.monotonic() + PATIENCE_S
    while held() > counts[1]:  # threads that are ending are still there
        assert time.monotonic() < end_s, counts
        time.sleep(0.01)


def test_an_environment_without_gi_is_told_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match="apt-get install python3-gi"):
        system_gi((tmp_path / "nowhere",))
    (tmp_path / "_gi.cpython-35m-x86_64-linux-gnu.so").touch()
    with pytest.raises(MissingExtraError, match="for another version"):
        system_gi((tmp_path,))
    (tmp_path / f"_gi{sysconfig.get_config_var('EXT_SUFFIX')}").touch()
    assert system_gi((tmp_path,)) == tmp_path

"""Video files: every frame in order, upright, in its colors, and what is no video said."""

from __future__ import annotations

import gc
import itertools
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.sources.open_source import open_source
from tests.fakes.video_files import (
    Pixels,
    av,
    blank_pictures,
    claim_duration,
    gray,
    gray_levels,
    turn,
    write_sound,
    write_video,
)

pytest.importorskip("av", reason="needs cdul-edge[video]")

from cdul_edge_runtime.streams.sources.video.av_picture import Converter


def read(path: Path) -> list[Frame]:
    source = open_source(str(path))
    assert source.finite
    try:
        source.open()
        return list(source.frames())
    finally:
        source.close()


def levels(frames: list[Frame]) -> list[int]:
    """Brightness of each frame, to the nearest of 10, 30, 50..."""
    return [round((float(frame.pixels().mean()) - 10) / 20) * 20 + 10 for frame in frames]


def paces_ms(frames: list[Frame]) -> list[int]:
    return [round(1000 * (b.time_s - a.time_s)) for a, b in itertools.pairwise(frames)]


FORMATS = [
    ("a.mp4", "mpeg4", "yuv420p"),
    ("a.mkv", "libx264", "yuv420p"),
    ("a.avi", "mpeg4", "yuv420p"),
    ("a.mov", "mjpeg", "yuvj420p"),
    ("a.ts", "mpeg2video", "yuv420p"),
    ("a.gif", "gif", "rgb8"),
]


@pytest.mark.parametrize(("name", "codec", "pixel_format"), FORMATS)
def test_every_frame_comes_in_order(
    tmp_path: Path, name: str, codec: str, pixel_format: str
) -> None:
    path = write_video(tmp_path / name, gray_levels(), codec=codec, pixel_format=pixel_format)
    frames = read(path)
    assert levels(frames) == list(range(10, 210, 20))
    assert frames[0].pixels().shape == (48, 64, 3)
    assert frames[0].pixels().dtype == np.uint8
    assert paces_ms(frames) == [40] * 9


def test_a_source_says_what_it_opened_and_can_be_opened_again(tmp_path: Path) -> None:
    source = open_source(str(write_video(tmp_path / "a.mp4", gray_levels())))
    for _ in range(2):
        info = source.open()
        assert (info.width_px, info.height_px, info.codec, info.fps) == (64, 48, "mpeg4", 25)
        assert len(list(source.frames())) == 10
        source.close()


@pytest.mark.parametrize("name", ["12:30.mp4", "a%20b.mp4", "a%03d.mp4", "a#b?c=d.mp4", "gst:.mp4"])
def test_a_name_of_a_file_is_no_url_and_no_pattern(tmp_path: Path, name: str) -> None:
    assert len(read(write_video(tmp_path / name, gray_levels(2)))) == 2


CORNERS = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250), "white": (250, 250, 250)}


def colored_corners() -> Pixels:
    picture = gray(0)
    starts = [(0, 0), (0, 32), (24, 0), (24, 32)]
    for (y, x), color in zip(starts, CORNERS.values(), strict=True):
        picture[y : y + 24, x : x + 32] = color
    return picture


def corners(pixels: Pixels) -> list[str]:
    """Colors at the upper left, upper right, lower left, and lower right."""
    seen = [pixels[y, x].astype(int) for y in (5, -6) for x in (5, -6)]
    return [min(CORNERS, key=lambda name: np.abs(color - CORNERS[name]).sum()) for color in seen]


@pytest.mark.parametrize(
    ("matrix", "seen"),
    [
        ((1, 0, 0, 1), "red green blue white"),
        ((0, 1, -1, 0), "blue red white green"),  # a quarter clockwise
        ((-1, 0, 0, -1), "white blue green red"),
        ((0, -1, 1, 0), "green white red blue"),
        ((-1, 0, 0, 1), "green red white blue"),  # mirrored, as a front camera does
        ((0, 1, 1, 0), "red blue green white"),
    ],
)
def test_a_video_is_seen_upright(
    tmp_path: Path, matrix: tuple[int, int, int, int], seen: str
) -> None:
    path = write_video(tmp_path / "a.mp4", [colored_corners()], codec="libx264")
    turn(path, matrix)
    (frame,) = read(path)
    assert corners(frame.pixels()) == seen.split()
    assert frame.pixels().flags.c_contiguous
    assert frame.pixels().shape[:2] == ((64, 48) if matrix[0] == 0 else (48, 64))


@pytest.mark.parametrize("matrix", [1, 5])
@pytest.mark.parametrize("full_range", [False, True])
def test_colors_survive_whatever_the_matrix_and_the_range(
    tmp_path: Path, matrix: int, full_range: bool
) -> None:
    color = (180, 60, 30)
    picture = np.full((48, 64, 3), color, np.uint8)
    path = tmp_path / "a.mkv"
    write_video(path, [picture], codec="libx264", color=(matrix, 2 if full_range else 1))
    (frame,) = read(path)
    assert np.abs(frame.pixels().astype(int) - color).max() <= 3


def test_a_wrong_duration_is_not_believed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", gray_levels())
    for seconds in (0, 3600):
        claim_duration(path, seconds)
        assert len(read(path)) == 10


def test_a_variable_frame_rate_gives_the_pace(tmp_path: Path) -> None:
    times = [0, 40, 41, 500, 501, 900, 2000, 2001, 2050, 2100]
    frames = read(write_video(tmp_path / "a.mkv", gray_levels(), pts_ms=times))
    assert [round(1000 * (frame.pts_s or 0)) for frame in frames] == times
    assert paces_ms(frames) == [b - a for a, b in itertools.pairwise(times)]


def test_negative_times_are_kept_and_go_on(tmp_path: Path) -> None:
    times = [-200 + 40 * number for number in range(10)]
    frames = read(write_video(tmp_path / "a.mkv", gray_levels(), pts_ms=times))
    assert [round(1000 * (frame.pts_s or 0)) for frame in frames] == times
    assert paces_ms(frames) == [40] * 9


def test_times_that_begin_again_go_on(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", gray_levels(), codec="mpeg2video")
    path.write_bytes(path.read_bytes() * 2)
    frames = read(path)
    assert levels(frames) == list(range(10, 210, 20)) * 2
    assert frames[10].pts_s == frames[0].pts_s
    assert paces_ms(frames) == [40] * 19


def test_size_and_pixel_format_may_change_midway(tmp_path: Path) -> None:
    small, large, path = (tmp_path / f"{name}.mjpeg" for name in ("small", "large", "both"))
    write_video(small, [gray(200, 64, 48)] * 3, codec="mjpeg", pixel_format="yuvj420p")
    write_video(large, [gray(200, 80, 64)] * 3, codec="mjpeg", pixel_format="yuvj444p")
    path.write_bytes(small.read_bytes() + large.read_bytes())
    shapes = [frame.pixels().shape for frame in read(path)]
    assert shapes == [(48, 64, 3)] * 3 + [(64, 80, 3)] * 3


def test_damaged_packets_are_skipped_and_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_video(tmp_path / "a.mov", gray_levels(), codec="mjpeg", pixel_format="yuvj420p")
    blank_pictures(path, [3, 5])
    with pytest.warns(CdulEdgeWarning, match=r"a\.mov: 2 damaged packets were skipped, and 8"):
        assert levels(read(path)) == [10, 30, 50, 90, 130, 150, 170, 190]
    assert capfd.readouterr() == ("", "")  # FFmpeg's own log is off


def test_a_file_of_damaged_packets_only_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", gray_levels(), codec="mjpeg", pixel_format="yuvj420p")
    blank_pictures(path, range(9))
    data = path.read_bytes()
    last = data.rindex(b"\xff\xd8\xff")
    path.write_bytes(data[:last] + bytes(len(data) - last))
    with pytest.raises(CdulEdgeError, match=r"a\.avi: "):
        read(path)


def test_what_is_no_video_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(100_000))
    (tmp_path / "page.html").write_text("<html>hello</html>", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("hello\n" * 100, encoding="utf-8")
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.jpg")
    write_sound(tmp_path / "sound.mp2")
    whole = write_video(tmp_path / "whole.mp4", gray_levels())
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:-300])
    reasons = {
        "missing.mp4": "there is no such file",
        "folder.mp4": "it is a folder; name one video file in it",
        "empty.mp4": "it is empty",
        "noise.mp4": "it is not a video that FFmpeg can read, or it is damaged",
        "page.html": "it is not a video that FFmpeg can read, or it is damaged",
        "cut.mp4": "it is not a video that FFmpeg can read, or it is damaged",
        "notes.txt": "it is a text, not a video",
        "picture.jpg": "it is a picture, not a video: use cdul-edge predict",
        "sound.mp2": "it has no video, only audio",
    }
    for name, reason in reasons.items():
        with pytest.raises(CdulEdgeError) as caught:
            read(tmp_path / name)
        assert type(caught.value) is CdulEdgeError
        assert str(caught.value).startswith(f"{tmp_path / name}: {reason}")


def test_a_device_that_is_no_file_is_refused() -> None:
    with pytest.raises(CdulEdgeError, match="it is not a file; pipe raw: frames instead"):
        read(Path("/dev/null"))


@pytest.mark.parametrize("kind", ["m3u8", "sdp", "ffconcat"])
def test_a_file_opens_no_socket_that_it_names(tmp_path: Path, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        texts = {
            "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n",
            "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
            "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
            "ffconcat": f"ffconcat version 1.0\nfile {address}\n",
        }
        path = tmp_path / f"a.{kind}"
        path.write_text(texts[kind], encoding="utf-8")
        with pytest.raises(CdulEdgeError, match="it is a list of other files"):
            read(path)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("name", ["ended.m3u8", "live.m3u8", "list.ffconcat", "disguised.mp4"])
def test_a_file_opens_no_other_file_that_it_names(tmp_path: Path, name: str) -> None:
    write_video(tmp_path / "a.ts", gray_levels(), codec="mpeg2video")
    hls = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\na.ts\n"
    texts = {"ended.m3u8": f"{hls}#EXT-X-ENDLIST\n", "live.m3u8": hls}
    text = texts.get(name, "ffconcat version 1.0\nfile a.ts\n")
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(CdulEdgeError, match=f"{name}: it is a list of other files"):
        read(tmp_path / name)


def test_an_interrupted_file_ends_at_the_next_frame(tmp_path: Path) -> None:
    source = open_source(str(write_video(tmp_path / "a.mkv", gray_levels())))
    source.open()
    frames = source.frames()
    next(frames)
    source.interrupt()
    source.interrupt()
    assert list(frames) == []
    source.close()
    source.close()


@pytest.mark.parametrize("pixel_format", ["rgb4", "yaf32le"])
def test_a_pixel_format_that_ffmpeg_cannot_convert_is_said(pixel_format: str) -> None:
    if pixel_format not in av.video.format.names:
        pytest.skip("this FFmpeg does not know that pixel format")
    picture = av.VideoFrame(64, 48, pixel_format)  # FFmpeg 8 aborts at the second one
    with pytest.raises(CdulEdgeError, match=f"cannot convert its pixel format {pixel_format} to"):
        Converter().to_rgb(picture)


def test_a_picture_is_converted_once_and_outlives_its_source(tmp_path: Path) -> None:
    frames = read(write_video(tmp_path / "a.mkv", gray_levels()))
    assert frames[3].pixels() is frames[3].pixels()
    assert levels(frames[:4]) == [10, 30, 50, 70]


def test_no_decoded_frame_waits_for_the_garbage_collector(tmp_path: Path) -> None:
    source = open_source(str(write_video(tmp_path / "a.mkv", gray_levels())))
    source.open()
    gc.collect()
    gc.disable()
    try:
        for frame in source.frames():
            frame.pixels()
        del frame
        kept = [item for item in gc.get_objects() if type(item) is av.VideoFrame]
        assert not [item for item in kept if item.width == 64]
    finally:
        gc.enable()
        source.close()

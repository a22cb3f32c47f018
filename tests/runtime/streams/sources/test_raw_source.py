"""Raw frames on a pipe: which count, when they were taken, and what is refused."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import closing
from io import FileIO
from pathlib import Path

import numpy as np
import pytest

from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.address import parse_address
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.labels.smoothing import Smoothing
from cdul_edge_runtime.streams.row_json import to_dict
from cdul_edge_runtime.streams.source import StreamEnded
from cdul_edge_runtime.streams.sources.open_source import SourceOptions, open_source
from cdul_edge_runtime.streams.sources.raw_source import RawSource
from cdul_edge_runtime.streams.watch import watch
from tests.fakes.stream_source import PATIENCE_S

FIRST = bytes(range(6))  # a frame of 2x1 pixels, three channels
SECOND = bytes(range(10, 16))


@pytest.fixture
def pipe() -> Iterator[tuple[int, FileIO]]:
    """The reading end's descriptor, and the writing end, which a test may close."""
    read, write = os.pipe()
    with open(read, "rb", 0), open(write, "wb", 0) as writer:
        yield read, writer


def raw(address: str, descriptor: int, timeout_s: float = 5.0) -> RawSource:
    options = SourceOptions(timeout_s=timeout_s)
    return RawSource(parse_address(address), options, descriptor=descriptor)


def read_all(source: RawSource) -> tuple[list[Frame], str]:
    """Every frame, and how it ended: "" for a return."""
    seen: list[Frame] = []
    with closing(source):
        source.open()
        try:
            for frame in source.frames():
                seen.append(frame)
        except (StreamEnded, CdulEdgeError) as error:
            return seen, f"{type(error).__name__}: {error}"
    return seen, ""


@pytest.mark.parametrize(("order", "color"), [("rgb", "rgb"), ("bgr", "bgr")])
def test_a_pipe_gives_each_frame_as_it_was_written_and_ends_well(
    pipe: tuple[int, FileIO], order: str, color: str
) -> None:
    pipe[1].write(FIRST + SECOND)
    pipe[1].close()
    source = raw(f"raw:2x1:{order}", pipe[0])
    assert not source.finite
    frames, end = read_all(source)
    assert [frame.pixels().tolist() for frame in frames] == [
        [[[0, 1, 2], [3, 4, 5]]],
        [[[10, 11, 12], [13, 14, 15]]],
    ]
    assert [(frame.color, frame.clock, frame.pts_s) for frame in frames] == [
        (color, "arrival", None)
    ] * 2
    assert end == "StreamEnded: standard input ended"


def test_gray_becomes_three_equal_channels(pipe: tuple[int, FileIO]) -> None:
    pipe[1].write(bytes([7, 9]))
    pipe[1].close()
    (frame,), _ = read_all(raw("raw:1x2:gray", pipe[0]))
    assert frame.pixels().tolist() == [[[7, 7, 7]], [[9, 9, 9]]]
    assert frame.pixels().dtype == np.uint8
    assert frame.color == "rgb"


def test_a_rate_makes_a_recording_that_its_frame_numbers_date(pipe: tuple[int, FileIO]) -> None:
    pipe[1].write(FIRST + SECOND)
    pipe[1].close()
    source = raw("raw:2x1:rgb@30000/1001", pipe[0])
    assert source.finite
    frames, end = read_all(source)
    assert [frame.pts_s for frame in frames] == [0.0, 1001 / 30000]
    assert frames[1].time_s - frames[0].time_s == pytest.approx(1001 / 30000, abs=1e-6)
    assert end == ""


def test_a_file_needs_its_rate_and_then_gives_every_frame(tmp_path: Path) -> None:
    (tmp_path / "frames").write_bytes(FIRST + SECOND)
    with (tmp_path / "frames").open("rb") as file:
        with pytest.raises(CdulEdgeError, match=r"add the frame rate, as in raw:2x1:bgr@25"):
            raw("raw:2x1:bgr", file.fileno()).open()
        frames, end = read_all(raw("raw:2x1:bgr@25", file.fileno()))
    assert [frame.pts_s for frame in frames] == [0.0, 0.04]
    assert end == ""


def test_a_frame_that_is_cut_short_is_said_and_those_before_it_count(
    pipe: tuple[int, FileIO],
) -> None:
    pipe[1].write(FIRST + SECOND[:4])
    pipe[1].close()
    frames, end = read_all(raw("raw:2x1:rgb", pipe[0]))
    assert len(frames) == 1
    assert end.startswith(
        "CdulEdgeError: standard input ended in the middle of frame 2, after 4 of its 6 bytes: "
        "check that its frames are 2x1 rgb"
    )


def test_a_pipe_without_a_frame_points_to_the_program_in_front_of_it(
    pipe: tuple[int, FileIO],
) -> None:
    pipe[1].close()
    frames, end = read_all(raw("raw:2x1:rgb", pipe[0]))
    assert frames == []
    assert end.startswith("CdulEdgeError: standard input ended before the first frame")


def test_a_camera_that_stalls_is_lost_and_goes_on_in_the_middle_of_its_frame(
    pipe: tuple[int, FileIO],
) -> None:
    pipe[1].write(FIRST + SECOND[:4])
    source = raw("raw:2x1:rgb", pipe[0], timeout_s=0.05)
    frames, end = read_all(source)
    assert len(frames) == 1
    assert end == "StreamLost: standard input sent nothing for 0.05 s"
    pipe[1].write(SECOND[4:])
    pipe[1].close()
    frames, _ = read_all(source)
    assert [frame.pixels().tolist() for frame in frames] == [[[[10, 11, 12], [13, 14, 15]]]]


def test_a_camera_that_stalled_is_opened_again_by_its_next_byte_or_an_interrupt(
    pipe: tuple[int, FileIO],
) -> None:
    source = raw("raw:2x1:rgb", pipe[0], timeout_s=0.01)
    for wake in (lambda: pipe[1].write(FIRST), source.interrupt):
        assert read_all(source)[1].startswith("StreamLost")
        thread = threading.Thread(target=source.open)
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
        wake()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        source.close()


@pytest.mark.parametrize("address", ["raw:2x1:rgb", "raw:2x1:rgb@25"])
def test_an_interrupt_ends_a_read_that_waits(pipe: tuple[int, FileIO], address: str) -> None:
    pipe[1].write(FIRST + SECOND[:1])
    source = raw(address, pipe[0], timeout_s=60)
    seen: list[Frame] = []
    first = threading.Event()

    def read() -> None:
        for frame in source.frames():
            seen.append(frame)
            first.set()

    with closing(source):
        source.open()
        thread = threading.Thread(target=read)
        thread.start()
        assert first.wait(PATIENCE_S)
        source.interrupt()
        source.interrupt()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert len(seen) == 1


def test_one_descriptor_has_one_reader_at_a_time(pipe: tuple[int, FileIO]) -> None:
    first, second = raw("raw:2x1:rgb", pipe[0]), raw("raw:2x1:rgb", pipe[0])
    with closing(first):
        first.open()
        with (
            closing(second),
            pytest.raises(CdulEdgeError, match="another raw: source already reads"),
        ):
            second.open()
        with (
            closing(second),
            pytest.raises(CdulEdgeError, match="another raw: source already reads"),
        ):
            second.open()  # the close of the one that was refused gave nothing away
    with closing(second):
        assert second.open().width_px == 2


def test_a_terminal_is_refused_with_how_to_pipe() -> None:
    leader, terminal = os.openpty()
    try:
        with pytest.raises(CdulEdgeError, match=r"is a terminal: pipe frames into it, ffmpeg -i"):
            raw("raw:2x1:rgb", terminal).open()
    finally:
        os.close(leader)
        os.close(terminal)


def test_what_is_no_stream_of_bytes_is_refused(pipe: tuple[int, FileIO], tmp_path: Path) -> None:
    closed = os.dup(pipe[0])
    os.close(closed)
    with pytest.raises(CdulEdgeError, match="standard input is closed"):
        raw("raw:2x1:rgb", closed).open()
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(CdulEdgeError, match="standard input is a folder"):
            raw("raw:2x1:rgb", folder).open()
    finally:
        os.close(folder)


@pytest.mark.parametrize(
    "address",
    "raw: raw:640x480 raw:640x480:yuv raw:-1x2:rgb raw:640X480:rgb raw:2x1:rgb@ raw:2x1:rgb@fast "
    "raw:٦x٤:rgb raw:2x1:rgb@1e3 raw:2x1:rgb@1/0 raw:2x1:rgb@1.2.3 raw:2x1:rgb:25".split(),
)
def test_an_address_of_another_form_says_the_form(address: str) -> None:
    with pytest.raises(CdulEdgeError, match=r"expected raw:WIDTHxHEIGHT:rgb\|bgr\|gray\[@FPS\]"):
        open_source(address)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("raw:0x480:rgb", "the width is 0; expected 1 to 16384 pixels"),
        ("raw:640x0:gray", "the height is 0; expected 1 to 16384 pixels"),
        ("raw:640x999999999:rgb", "the height is 999999999; expected 1 to 16384"),
        ("raw:2x1:rgb@0", "0 frames a second; expected up to 1000"),
        ("raw:2x1:rgb@1001", "1001 frames a second; expected up to 1000"),
    ],
)
def test_sizes_and_rates_that_cannot_be_are_refused(address: str, message: str) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        open_source(address)


def test_a_watch_ends_with_its_pipe_and_closes_what_is_there(
    pipe: tuple[int, FileIO], bundle: Path
) -> None:
    pipe[1].write(bytes([255, 0, 0]) * 64)
    pipe[1].close()
    calm = Smoothing(appear_s=0)
    with (
        Classifier.load(bundle, threads=1) as classifier,
        watch(classifier, {"pipe": raw("raw:8x8:rgb", pipe[0])}, smoothing=calm) as rows,
    ):
        said = [to_dict(row) for row in rows]
    assert [row["type"] for row in said] == ["status", "prediction", "appeared", "gone", "status"]
    assert (said[2]["label"], said[3]["label"]) == ("red", "red")
    assert (said[0]["state"], said[4]["state"]) == ("connected", "ended")

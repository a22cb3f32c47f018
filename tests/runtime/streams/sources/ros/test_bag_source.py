"""Recordings of ROS: which images come out, when they were taken, and what a bad bag says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

pytest.importorskip("rosbags")

from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.sources.open_source import open_source
from cdul_edge_runtime.streams.sources.ros.bag_source import BagSource
from tests.fakes.bags import RECORDED_NS, Picture, Recording, Storage, compress, write_bag

FIRST, SECOND = bytes(range(6)), bytes(range(10, 16))
STORAGES: tuple[Storage, ...] = ("sqlite3", "mcap", "ros1")


def bag_path(folder: Path, storage: Storage) -> Path:
    return folder / ("drive.bag" if storage == "ros1" else "drive")


@contextmanager
def opened(address: str) -> Iterator[BagSource]:
    source = open_source(address)
    assert isinstance(source, BagSource)
    with closing(source):
        source.open()
        yield source


def read(address: str) -> list[Frame]:
    with opened(address) as source:
        return list(source.frames())


def first_levels_or_error(address: str) -> set[int] | str:
    try:
        return {int(frame.pixels()[0, 0, 0]) for frame in read(address)}
    except CdulEdgeError as error:
        return str(error)


@pytest.mark.parametrize("storage", STORAGES)
def test_every_image_comes_in_order_with_the_cameras_clock(
    tmp_path: Path, storage: Storage
) -> None:
    pictures = [Picture(FIRST), Picture(SECOND, encoding="bgr8", stamp=(1_600_000_001, 0))]
    path = write_bag(bag_path(tmp_path, storage), Recording(pictures, ["/words"]), storage)
    first, second = read(f"bag:{path}")  # one topic of images needs no name
    assert first.pixels().tolist() == [[[0, 1, 2], [3, 4, 5]]]
    assert (first.color, first.clock, first.time_s) == ("rgb", "camera", 1_600_000_000.25)
    assert second.pixels().tolist() == [[[10, 11, 12], [13, 14, 15]]]
    assert (second.color, second.clock, second.time_s) == ("bgr", "camera", 1_600_000_001.0)
    assert (first.pts_s, second.pts_s) == (0.0, 0.5)


def test_a_stamp_that_was_never_set_gives_way_to_the_time_of_recording(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "drive", Recording([Picture(FIRST, stamp=(0, 0))]))
    (frame,) = read(f"bag:{path}")
    assert (frame.clock, frame.time_s) == ("arrival", RECORDED_NS * 1e-9)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(
    ("format", "inside"), [("jpeg", "JPEG"), ("rgb8; jpeg compressed bgr8", "JPEG"), ("png", "PNG")]
)
def test_compressed_images_keep_red_red(
    tmp_path: Path, storage: Storage, format: str, inside: str
) -> None:
    picture = Picture(compress((255, 0, 0), inside), format=format, topic="/camera/compressed")
    path = write_bag(bag_path(tmp_path, storage), Recording([picture]), storage)
    (frame,) = read(f"bag:{path}#/camera/compressed")
    pixels = frame.pixels()
    assert (pixels.shape, frame.color) == ((8, 8, 3), "rgb")
    assert pixels[..., 0].min() >= 253
    assert pixels[..., 1:].max() <= 2


def test_a_topic_is_chosen_by_name_with_or_without_its_slash(tmp_path: Path) -> None:
    pictures = [Picture(FIRST, topic="/left"), Picture(SECOND, topic="/right")]
    path = write_bag(tmp_path / "drive", Recording(pictures))
    for topic in ("/right", "right"):
        (frame,) = read(f"bag:{path}#{topic}")
        assert frame.pixels().tolist() == [[[10, 11, 12], [13, 14, 15]]]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("", "its topics of images are /left, /right; name one, as in bag:"),
        ("#/middle", "has no topic /middle; its topics of images are /left, /right"),
        ("#/words", "has std_msgs/msg/String on /words; its topics of images are /left, /right"),
    ],
)
def test_another_topic_lists_those_that_are_there(tmp_path: Path, asked: str, message: str) -> None:
    pictures = [Picture(FIRST, topic="/left"), Picture(FIRST, topic="/right")]
    path = write_bag(tmp_path / "drive", Recording(pictures, ["/words"]))
    with pytest.raises(CdulEdgeError, match=message):
        read(f"bag:{path}{asked}")


def test_a_bag_without_images_says_what_to_record(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "drive", Recording(words=["/words"]))
    with pytest.raises(CdulEdgeError, match="it has no images; record a topic of sensor_msgs/Im"):
        read(f"bag:{path}")


def test_a_damaged_image_is_left_out_and_said_at_the_end(tmp_path: Path) -> None:
    whole = compress((0, 255, 0), "PNG")
    pictures = [Picture(data, format="png") for data in (whole, whole[:40], whole)]
    path = write_bag(tmp_path / "drive", Recording(pictures))
    with pytest.warns(CdulEdgeWarning, match=r"1 of 3 images .* the first: number 2, a png image"):
        assert len(read(f"bag:{path}")) == 2


def test_a_bag_of_damaged_images_is_an_error(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "drive", Recording([Picture(FIRST[:5])]))
    with pytest.raises(CdulEdgeError, match=r"none of 1 images .* holds 5 bytes, and 6 are expec"):
        read(f"bag:{path}")


def test_an_encoding_without_color_is_refused_by_name(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "drive", Recording([Picture(FIRST, encoding="bayer_rggb8")]))
    with pytest.raises(CdulEdgeError, match="drive: the encoding 'bayer_rggb8' is not supported"):
        read(f"bag:{path}")


def test_an_interrupt_ends_after_the_frame_at_hand(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "drive", Recording([Picture(FIRST)] * 3))
    with opened(f"bag:{path}") as source:
        frames = source.frames()
        next(frames)
        source.interrupt()
        assert list(frames) == []
        source.close()
        source.open()  # begins anew
        assert len(list(source.frames())) == 3


@pytest.mark.parametrize("storage", STORAGES)
def test_a_file_that_is_cut_anywhere_or_noise_is_one_line(tmp_path: Path, storage: Storage) -> None:
    pictures = [Picture(compress((9, 9, 9), "PNG"), format="png")] * 4
    path = write_bag(bag_path(tmp_path, storage), Recording(pictures), storage)
    file = path if storage == "ros1" else next(f for f in path.iterdir() if f.suffix != ".yaml")
    whole = file.read_bytes()
    cuts = [whole[: len(whole) * eighth // 8] for eighth in range(8)]
    noise = bytearray(whole)
    noise[100::7] = bytes(len(noise[100::7]))
    for content in (*cuts, bytes(noise), b"noise" * 1000):
        file.write_bytes(content)
        for address in {path, file}:
            seen = first_levels_or_error(f"bag:{address}")
            # a cut behind the images leaves them whole
            assert seen == {9} or (isinstance(seen, str) and seen.startswith(str(tmp_path)))
            assert "\n" not in str(seen)


def test_a_killed_recorder_is_told_from_what_is_no_bag(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "drive", Recording([Picture(FIRST)]), "mcap")
    (path / "metadata.yaml").unlink()
    with pytest.raises(CdulEdgeError, match=r"has no metadata.yaml: .*ros2 bag reindex"):
        read(f"bag:{path}")
    assert len(read(f"bag:{path / 'drive.mcap'}")) == 1
    (tmp_path / "video.mp4").write_bytes(b"")
    for missing, message in [("video.mp4", "is not a bag: expected"), ("none", "does not exist")]:
        with pytest.raises(CdulEdgeError, match=message):
            read(f"bag:{tmp_path / missing}")


def test_metadata_that_is_not_of_a_bag_is_one_line(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "drive", Recording([Picture(FIRST)]))
    for text in ("", "a: [", "- 1", "rosbag2_bagfile_information: {version: 99}", "\x00"):
        (path / "metadata.yaml").write_text(text)
        with pytest.raises(CdulEdgeError, match="drive is damaged or was not recorded to its end"):
            read(f"bag:{path}")


@pytest.mark.parametrize("address", ["bag:", "bag:#/camera", "bag:drive#", "bag:drive#/"])
def test_an_address_without_path_or_topic_says_the_form(address: str) -> None:
    with pytest.raises(CdulEdgeError, match="expected bag:PATH or bag:PATH#TOPIC"):
        open_source(address)

"""Small recordings of ROS, written by rosbags: two pixels a frame, stamps that one can read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from rosbags import rosbag1, rosbag2
from rosbags.rosbag2 import StoragePlugin
from rosbags.typesys import Stores, get_typestore

Storage = Literal["sqlite3", "mcap", "ros1"]
RECORDED_NS = 1_700_000_000_000_000_000  # when the first message was recorded; each 0.5 s later


@dataclass(frozen=True)
class Picture:
    """A sensor_msgs/Image, or a CompressedImage where `format` is given."""

    data: bytes
    width_px: int = 2
    height_px: int = 1
    encoding: str = "rgb8"
    step: int = 6
    big_endian: bool = False
    format: str | None = None
    stamp: tuple[int, int] = (1_600_000_000, 250_000_000)
    topic: str = "/camera/image_raw"


@dataclass(frozen=True)
class Recording:
    """What a bag holds; every topic of `words` holds one std_msgs/String."""

    pictures: Sequence[Picture] = field(default=())
    words: Sequence[str] = field(default=())


def compress(color: tuple[int, int, int], format: str) -> bytes:
    """A picture of 8x8 pixels of one color."""
    written = io.BytesIO()
    Image.new("RGB", (8, 8), color).save(written, format)
    return written.getvalue()


def write_bag(path: Path, recording: Recording, storage: Storage = "sqlite3") -> Path:
    """Write the recording to a folder, or to a .bag of ROS 1."""
    ros1 = storage == "ros1"
    store = get_typestore(Stores.ROS1_NOETIC if ros1 else Stores.ROS2_JAZZY)
    types = store.types
    if ros1:
        writer = rosbag1.Writer(path)
    else:
        plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
        writer = rosbag2.Writer(path, version=9, storage_plugin=plugin)
    serialize = store.serialize_ros1 if ros1 else store.serialize_cdr
    header_fields = {"seq": 1} if ros1 else {}
    with writer:
        opened = {}
        for number, picture in enumerate(recording.pictures):
            stamp = types["builtin_interfaces/msg/Time"](*picture.stamp)
            header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera", **header_fields)
            data = np.frombuffer(picture.data, np.uint8)
            if picture.format is None:
                kind = "sensor_msgs/msg/Image"
                message = types[kind](
                    header,
                    picture.height_px,
                    picture.width_px,
                    picture.encoding,
                    int(picture.big_endian),
                    picture.step,
                    data,
                )
            else:
                kind = "sensor_msgs/msg/CompressedImage"
                message = types[kind](header, picture.format, data)
            if picture.topic not in opened:
                opened[picture.topic] = writer.add_connection(picture.topic, kind, typestore=store)
            recorded_ns = RECORDED_NS + number * 500_000_000
            writer.write(opened[picture.topic], recorded_ns, serialize(message, kind))
        for topic in recording.words:
            kind = "std_msgs/msg/String"
            connection = writer.add_connection(topic, kind, typestore=store)
            writer.write(connection, RECORDED_NS, serialize(types[kind](data="hello"), kind))
    return path

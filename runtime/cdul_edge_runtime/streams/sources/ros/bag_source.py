"""`bag:PATH[#TOPIC]`: every image of a recording of ROS 2 (SQLite, MCAP) or ROS 1 (.bag)."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning, ImageError, extra_imports
from cdul_edge_runtime.streams.address import Address
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.source import SourceInfo
from cdul_edge_runtime.streams.sources.open_source import SourceOptions
from cdul_edge_runtime.streams.sources.ros.ros_images import (
    RosImage,
    decode_compressed,
    decode_image,
)

with extra_imports("ros", "reading ROS bags"):
    from rosbags import rosbag1, rosbag2
    from rosbags.typesys import Stores, get_typestore

_IMAGE = "sensor_msgs/msg/Image"
_COMPRESSED = "sensor_msgs/msg/CompressedImage"


class BagSource:
    """Images of one topic, in the order in which they were recorded.

    A frame is dated by its header's stamp, the camera's clock; where the stamp is not set, by when
    it was recorded. Images that cannot be decoded are left out, and a `CdulEdgeWarning` says how
    many at the end.
    """

    finite = True

    def __init__(self, address: Address, options: SourceOptions | None = None) -> None:
        """Nothing is read before `open`.

        Args:
            address: a folder of ROS 2, a .mcap or .db3 file, or a .bag of ROS 1; behind "#" the
                topic. Without it, the only topic of images is taken.
            options: a file has neither transport nor time-out.

        Raises:
            CdulEdgeError: path or topic is empty.
        """
        self._path, self._topic = _split(address)
        # rosbags has no type of a reader of either version that a checker could use
        self._reader: Any = None
        self._store: Any = None
        self._connections: list[Any] = []
        self._interrupted = False

    def open(self) -> SourceInfo:
        """Read the index of the recording and find the topic.

        Raises:
            CdulEdgeError: missing, damaged, half-written, or without such a topic of images.
        """
        self._interrupted = False
        self._check_path()
        with self._damage():
            # the standard types have not changed; those in a bag may be missing or broken
            if self._path.suffix == ".bag":
                store, kind = Stores.ROS1_NOETIC, rosbag1.Reader
            else:
                store, kind = Stores.ROS2_JAZZY, rosbag2.Reader
            self._store = get_typestore(store)
            reader = kind(self._path)
            reader.open()
            self._reader = reader
        with self._damage():
            self._connections = self._choose()
        return SourceInfo()

    def _check_path(self) -> None:
        path = self._path
        if not path.exists():
            raise CdulEdgeError(f"{path} does not exist: give a bag's folder or file")
        if path.is_dir() and not (path / "metadata.yaml").exists():
            raise CdulEdgeError(
                f"{path} has no metadata.yaml: it is not a bag, or its recorder was killed; "
                f'"ros2 bag reindex {path}" writes it, or name the .mcap or .db3 file inside'
            )
        if path.is_file() and path.suffix not in (".bag", ".mcap", ".db3"):
            raise CdulEdgeError(
                f"{path} is not a bag: expected a folder with metadata.yaml, or a .mcap, "
                ".db3 or .bag file"
            )

    def _choose(self) -> list[Any]:
        """The connections of the topic; there is one for each node that published on it."""
        images = [c for c in self._reader.connections if c.msgtype in (_IMAGE, _COMPRESSED)]
        names = sorted({connection.topic for connection in images})
        there = f"its topics of images are {', '.join(names)}" if names else "it has no images"
        if self._topic is None:
            if len(names) == 1:
                return images
            fix = f"name one, as in bag:{self._path}#{names[0]}" if names else _RECORD
            raise CdulEdgeError(f"{self._path}: {there}; {fix}")
        asked = "/" + self._topic.strip("/")
        chosen = [c for c in images if "/" + c.topic.strip("/") == asked]
        if chosen:
            return chosen
        other = {c.msgtype for c in self._reader.connections if "/" + c.topic.strip("/") == asked}
        what = f"has {', '.join(sorted(other))} on {asked}" if other else f"has no topic {asked}"
        raise CdulEdgeError(f"{self._path} {what}; {there}{'' if names else '; ' + _RECORD}")

    def frames(self) -> Iterator[Frame]:
        """Every image, in the order of recording.

        Raises:
            CdulEdgeError: a damaged recording, an encoding that is no picture, or no image at all.
        """
        first_ns: int | None = None
        lost: list[str] = []
        count = 0
        for connection, recorded_ns, content in self._messages():
            if self._interrupted:
                return
            count += 1
            first_ns = recorded_ns if first_ns is None else first_ns
            try:
                frame = self._frame(connection.msgtype, content, recorded_ns, first_ns)
            except ImageError as error:
                lost.append(f"number {count}, {error}")
                continue
            yield frame
        topic = self._connections[0].topic
        if count == len(lost):
            why = f"; the first: {lost[0]}" if lost else ""
            raise CdulEdgeError(f"{self._path}: none of {count} images on {topic} is whole{why}")
        if lost:
            warnings.warn(
                f"{self._path}: {len(lost)} of {count} images on {topic} could not be decoded and "
                f"were left out; the first: {lost[0]}",
                CdulEdgeWarning,
                stacklevel=2,
            )

    def _messages(self) -> Iterator[tuple[Any, int, bytes]]:
        messages = self._reader.messages(connections=self._connections)
        while True:
            with self._damage():
                try:
                    message = next(messages)
                except StopIteration:
                    return
            yield message

    def _frame(self, kind: str, content: bytes, recorded_ns: int, first_ns: int) -> Frame:
        ros1 = self._path.suffix == ".bag"
        deserialize = self._store.deserialize_ros1 if ros1 else self._store.deserialize_cdr
        with self._damage():
            message = deserialize(content, kind)
        try:
            if kind == _COMPRESSED:
                pixels, color = decode_compressed(message.format, message.data), "rgb"
            else:
                pixels, color = decode_image(RosImage.of(message))
        except ImageError:
            raise
        except CdulEdgeError as error:
            raise CdulEdgeError(f"{self._path}: {error}") from error
        stamp_s = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
        return Frame(
            pixels,
            stamp_s if stamp_s > 0 else recorded_ns * 1e-9,
            "camera" if stamp_s > 0 else "arrival",
            (recorded_ns - first_ns) * 1e-9,
            "bgr" if color == "bgr" else "rgb",
        )

    @contextmanager
    def _damage(self) -> Iterator[None]:
        """Turn what rosbags raises for a damaged recording into one line."""
        try:
            yield
        except CdulEdgeError:
            raise
        except PermissionError as error:
            raise CdulEdgeError(f"{self._path} may not be read: {error.strerror}") from error
        except Exception as error:  # the libraries below rosbags raise anything
            raise CdulEdgeError(
                f"{self._path} is damaged or was not recorded to its end: {_reason(error)}; "
                '"ros2 bag reindex" or "mcap recover" may save what is there'
            ) from error

    def interrupt(self) -> None:
        """End after the frame that is being read."""
        self._interrupted = True

    def close(self) -> None:
        """Close the files."""
        reader, self._reader = self._reader, None
        self._connections = []
        if reader is not None:
            reader.close()


def _split(address: Address) -> tuple[Path, str | None]:
    """Path and topic of `PATH#TOPIC`."""
    path, mark, topic = address.location.rpartition("#")
    if not mark:
        path, topic = topic, ""
    if not path or (mark and not topic.strip("/")):
        raise CdulEdgeError(
            f"{address.shown}: not an address of a bag; expected bag:PATH or bag:PATH#TOPIC, such "
            "as bag:drive#/camera/image_raw"
        )
    # not Path's own, which fails where "~" names nobody
    return Path(os.path.expanduser(path)), topic or None  # noqa: PTH111


_RECORD = "record a topic of sensor_msgs/Image or sensor_msgs/CompressedImage"


def _reason(error: Exception) -> str:
    if isinstance(error, (struct.error, IndexError, TypeError, AssertionError)) or not str(error):
        return "a record ends too early"  # what rosbags trips over there says nothing to a user
    return str(error).rstrip(".")

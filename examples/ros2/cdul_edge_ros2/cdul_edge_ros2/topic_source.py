# ruff: noqa: D102 (the fields of messages are documented by ROS)
"""Image messages as a stream; ROS need not be installed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from cdul_edge_runtime.choices import Color
from cdul_edge_runtime.errors import ImageError
from cdul_edge_runtime.streams.frame import Frame, Pixels
from cdul_edge_runtime.streams.sources.push_source import PushSource
from cdul_edge_runtime.streams.sources.ros.ros_images import (
    Bytes,
    RosImage,
    decode_compressed,
    decode_image,
)


class Stamp(Protocol):
    """A builtin_interfaces/Time."""

    @property
    def sec(self) -> int: ...

    @property
    def nanosec(self) -> int: ...


class Header(Protocol):
    """A std_msgs/Header."""

    @property
    def stamp(self) -> Stamp: ...

    @property
    def frame_id(self) -> str: ...


class ImageMessage(Protocol):
    """A sensor_msgs/Image."""

    @property
    def header(self) -> Header: ...

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...

    @property
    def encoding(self) -> str: ...

    @property
    def is_bigendian(self) -> int: ...

    @property
    def step(self) -> int: ...

    @property
    def data(self) -> Bytes: ...


class CompressedMessage(Protocol):
    """A sensor_msgs/CompressedImage."""

    @property
    def header(self) -> Header: ...

    @property
    def format(self) -> str: ...

    @property
    def data(self) -> Bytes: ...


@dataclass(frozen=True, eq=False, kw_only=True)
class TopicFrame(Frame):
    """A frame that remembers its message's header."""

    header: Header


class TopicSource(PushSource):
    """Frames of a topic: the newest message is decoded, and damaged ones are left out.

    Args:
        on_damage: is told why an image was left out.
        timeout_s: how long no message may come.
    """

    def __init__(self, on_damage: Callable[[str], None], timeout_s: float = 5.0) -> None:
        super().__init__(timeout_s)
        self._on_damage = on_damage

    def offer_image(self, message: ImageMessage) -> None:
        """Take a sensor_msgs/Image; the callback of a subscription, which it never holds up."""
        color: Color = "bgr" if message.encoding.lower().startswith("bgr") else "rgb"
        self._offer(message.header, lambda: _decode(message), color)

    def offer_compressed(self, message: CompressedMessage) -> None:
        """Take a sensor_msgs/CompressedImage."""
        self._offer(message.header, lambda: decode_compressed(message.format, message.data))

    def _offer(self, header: Header, decode: Callable[[], Pixels], color: Color = "rgb") -> None:
        stamp_s = header.stamp.sec + header.stamp.nanosec * 1e-9
        is_set = stamp_s > 0  # drivers that know no time leave zero
        self.offer(
            TopicFrame(
                picture=decode,
                time_s=stamp_s if is_set else time.time(),
                clock="camera" if is_set else "arrival",
                color=color,
                header=header,
            )
        )

    def frames(self) -> Iterator[Frame]:
        """Decoded frames, in the thread that reads them.

        Raises:
            StreamLost: no message came for the time-out.
            CdulEdgeError: an encoding that is no picture in color.
        """
        for frame in super().frames():
            try:
                pixels = frame.pixels()
            except ImageError as error:
                self._on_damage(str(error))
            else:
                yield replace(frame, picture=pixels)


def _decode(message: ImageMessage) -> Pixels:
    pixels, _ = decode_image(RosImage.of(message))
    return pixels

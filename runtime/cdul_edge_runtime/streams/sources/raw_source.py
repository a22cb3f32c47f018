"""`raw:WIDTHxHEIGHT:ORDER[@FPS]`: uncompressed frames on standard input, from any program.

    ffmpeg -i CAMERA -f rawvideo -pix_fmt rgb24 - | cdul-edge watch BUNDLE raw:640x480:rgb

A pipe is a camera: its newest frame counts, and arrival dates it. With `@FPS`, and from a file
(which needs it), it is a recording: every frame counts, in order, and its number dates it.
"""

from __future__ import annotations

import os
import re
import select
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, cast

import numpy as np

from cdul_edge_runtime.choices import Color
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.address import Address
from cdul_edge_runtime.streams.frame import Frame, Pixels
from cdul_edge_runtime.streams.source import SourceInfo, StreamEnded, StreamLost
from cdul_edge_runtime.streams.sources.open_source import SourceOptions

RawOrder = Literal["rgb", "bgr", "gray"]

_ADDRESS = re.compile(r"(\d{1,9})x(\d{1,9}):(rgb|bgr|gray)(?:@(\d[\d./]{0,20}))?", re.ASCII)
_MOST_PIXELS_PER_SIDE = 16_384
_MOST_FPS = 1_000
_EXPECTED = "expected raw:WIDTHxHEIGHT:rgb|bgr|gray[@FPS], such as raw:640x480:rgb or @25 behind it"
_PIPE = "ffmpeg -i VIDEO -f rawvideo -pix_fmt rgb24 - | cdul-edge watch BUNDLE raw:640x480:rgb"

_being_read: set[int] = set()  # descriptors: two readers of one pipe would tear each other's frames
_being_read_lock = threading.Lock()


@dataclass(frozen=True)
class RawFormat:
    """What the frames on standard input look like.

    Attributes:
        width_px, height_px: in [1, 16384].
        order: of the channels; one channel for "gray".
        fps: frames a second of a recording, in (0, 1000]; None for a camera.
    """

    width_px: int
    height_px: int
    order: RawOrder
    fps: float | None = None

    @property
    def channels(self) -> int:
        """Bytes of one pixel."""
        return 1 if self.order == "gray" else 3

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return self.width_px * self.height_px * self.channels

    @classmethod
    def parse(cls, address: Address) -> RawFormat:
        """Read `raw:640x480:rgb` or `raw:640x480:gray@29.97`; 30000/1001 is a rate too.

        Raises:
            CdulEdgeError: it is not of that form, or a number is out of range.
        """
        match = _ADDRESS.fullmatch(address.location)
        if match is None:
            raise CdulEdgeError(f"{address.shown}: not an address of raw frames; {_EXPECTED}")
        width, height, order, rate = match.groups()
        for name, side in (("width", int(width)), ("height", int(height))):
            if not 1 <= side <= _MOST_PIXELS_PER_SIDE:
                raise CdulEdgeError(
                    f"{address.shown}: the {name} is {side}; expected 1 to "
                    f"{_MOST_PIXELS_PER_SIDE} pixels"
                )
        fps = None if rate is None else _parse_rate(address.shown, rate)
        return cls(int(width), int(height), cast(RawOrder, order), fps)


def _parse_rate(address: str, text: str) -> float:
    try:
        fps = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise CdulEdgeError(f"{address}: {text!r} is not a frame rate; {_EXPECTED}") from None
    if not 0 < fps <= _MOST_FPS:
        raise CdulEdgeError(f"{address}: {text} frames a second; expected up to {_MOST_FPS}")
    return float(fps)


class RawSource:
    """Raw frames on a file descriptor, standard input unless a test says otherwise.

    Attributes:
        finite: True for a recording, of which every frame counts.
    """

    def __init__(
        self, address: Address, options: SourceOptions | None = None, *, descriptor: int = 0
    ) -> None:
        """Nothing is read before `open`.

        Args:
            address: size, order, and rate.
            options: of them, the time-out counts.
            descriptor: of the stream.

        Raises:
            CdulEdgeError: the address is not of that form, or a number is out of range.
        """
        format = RawFormat.parse(address)
        self.finite = format.fps is not None
        self._format = format
        self._timeout_s = (options or SourceOptions()).timeout_s
        self._descriptor = descriptor
        self._reads = False
        self._wake: tuple[int, int] | None = None
        self._wake_lock = threading.RLock()  # the garbage collector may stop a watch within it
        self._buffer = bytearray(format.frame_bytes)
        self._filled = 0  # a frame goes on where it stopped, over losses
        self._count = 0
        self._stalled = False
        self._began_s = 0.0

    def open(self) -> SourceInfo:
        """Look at what standard input is; nothing is read yet. After a loss, wait for a byte.

        Raises:
            CdulEdgeError: it is a terminal, closed, a file without a rate, or read already.
        """
        self._check()
        with _being_read_lock:
            if self._descriptor in _being_read:
                raise CdulEdgeError(
                    "another raw: source already reads standard input: give the other streams as "
                    "files, cameras, or gst: pipelines"
                )
            _being_read.add(self._descriptor)
            self._reads = True
        with self._wake_lock:
            self._wake = os.pipe()
        if self._stalled:  # a retry costs nothing, and comes as soon as the program goes on
            self._stalled = False
            self._wait(None)
        if self._count == 0:
            self._began_s = time.time()
        size = self._format
        return SourceInfo(size.width_px, size.height_px, "rawvideo", size.fps)

    def _check(self) -> None:
        try:
            mode = os.fstat(self._descriptor).st_mode
        except OSError:
            raise CdulEdgeError(f"standard input is closed: pipe frames into it, {_PIPE}") from None
        if os.isatty(self._descriptor):
            raise CdulEdgeError(f"standard input is a terminal: pipe frames into it, {_PIPE}")
        if stat.S_ISDIR(mode):
            raise CdulEdgeError(f"standard input is a folder: pipe frames into it, {_PIPE}")
        if stat.S_ISREG(mode) and self._format.fps is None:
            raise CdulEdgeError(
                "standard input is a file, which does not say when its frames were taken: add the "
                f"frame rate, as in raw:{self._format.width_px}x{self._format.height_px}:"
                f"{self._format.order}@25"
            )

    def frames(self) -> Iterator[Frame]:
        """Frames until standard input ends.

        Raises:
            StreamEnded: a camera's program ended, between two frames.
            StreamLost: a camera's program sent nothing for the time-out.
            CdulEdgeError: the last frame is incomplete, or there was none.
        """
        while self._fill():
            pixels, self._filled = np.frombuffer(self._buffer, np.uint8), 0
            self._buffer = bytearray(self._format.frame_bytes)  # the frame keeps the old one
            yield self._frame(pixels)

    def _frame(self, pixels: Pixels) -> Frame:
        size = self._format
        picture = pixels.reshape(size.height_px, size.width_px, size.channels)
        color: Color = "bgr" if size.order == "bgr" else "rgb"
        number, self._count = self._count, self._count + 1
        now = time.time()
        pts_s = None if size.fps is None else number / size.fps
        return Frame(
            picture if size.channels == 3 else lambda: np.repeat(picture, 3, axis=2),
            now if pts_s is None else self._began_s + pts_s,
            "arrival",
            pts_s,
            color,
        )

    def _fill(self) -> bool:
        """Read one whole frame; False after an interrupt, or at the end of a recording."""
        wanted = self._format.frame_bytes
        while self._filled < wanted:
            if not self._wait(None if self.finite else self._timeout_s):
                return False
            try:
                rest = memoryview(self._buffer)[self._filled :]
                count = os.readv(self._descriptor, [rest])
            except BlockingIOError:  # another process read it, or shares it without blocking
                continue
            except OSError as error:
                raise CdulEdgeError(
                    f"standard input cannot be read: {error.strerror}; {_PIPE}"
                ) from error
            if count == 0:
                return self._end()
            self._filled += count
        return True

    def _end(self) -> bool:
        size = self._format
        if self._filled:
            raise CdulEdgeError(
                f"standard input ended in the middle of frame {self._count + 1}, after "
                f"{self._filled} of its {size.frame_bytes} bytes: check that its frames are "
                f"{size.width_px}x{size.height_px} {size.order}, and that its program ended well"
            )
        if self._count == 0:
            raise CdulEdgeError(
                "standard input ended before the first frame: look at what the program in front of "
                f"the pipe says; {_PIPE}"
            )
        if not self.finite:
            raise StreamEnded("standard input ended")
        return False

    def _wait(self, timeout_s: float | None) -> bool:
        """True when there is something to read, or the end; False after an interrupt."""
        with self._wake_lock:
            wake = self._wake
        if wake is None:
            return False
        poll = select.poll()
        poll.register(wake[0], select.POLLIN)
        poll.register(self._descriptor, select.POLLIN)
        ready = dict(poll.poll(None if timeout_s is None else timeout_s * 1000))
        if wake[0] in ready:
            return False
        if not ready:
            self._stalled = True
            raise StreamLost(f"standard input sent nothing for {timeout_s:g} s")
        return True

    def interrupt(self) -> None:
        """Make `frames` return at once, also while it waits for bytes."""
        with self._wake_lock:
            if self._wake is not None:
                os.write(self._wake[1], b"!")

    def close(self) -> None:
        """Let another source read standard input, which itself stays open."""
        with self._wake_lock:
            wake, self._wake = self._wake, None
        for end in wake or ():
            os.close(end)
        with _being_read_lock:
            if self._reads:
                _being_read.discard(self._descriptor)
                self._reads = False

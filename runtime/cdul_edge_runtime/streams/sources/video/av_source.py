"""Files and cameras through PyAV: FFmpeg's demuxers and decoders in this process.

FFmpeg's own log, which holds addresses with their passwords, is off unless a program turns it on
(`av.logging.set_level`); nothing of it is repeated here.
"""

from __future__ import annotations

import errno
import time
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning, extra_imports
from cdul_edge_runtime.streams.address import Address
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.source import SourceInfo, StreamEnded, StreamLost

if TYPE_CHECKING:
    from cdul_edge_runtime.streams.sources.open_source import SourceOptions

with extra_imports("video", "reading videos and cameras"):
    import av

    from cdul_edge_runtime.streams.sources.video import av_failure, av_open
    from cdul_edge_runtime.streams.sources.video.av_clock import Backlog, CameraClock, FileClock
    from cdul_edge_runtime.streams.sources.video.av_picture import Converter, LazyPicture
    from cdul_edge_runtime.streams.sources.video.host_lookup import HostLookup

UNDECODED_S = 30.0  # packets that come for so long without one picture: no key frame will follow


class AvSource:
    """A video file, an RTSP camera, MJPEG over HTTP, or a local camera; see `Source`.

    Attributes:
        finite: True for a file, also for one that a web server sends.
        skipped: packets since `open` that could not be decoded, and damaged frames of a camera.
    """

    def __init__(self, address: Address, options: SourceOptions) -> None:
        self.finite = av_open.is_file(address)
        self.skipped = 0
        self._address = address
        self._options = options
        self._interrupted = False
        self._lookup: HostLookup | None = None
        self._container: av.container.InputContainer | None = None
        self._stream: av.VideoStream | None = None
        self._opened_before = False

    def open(self) -> SourceInfo:
        """Connect: look the host up, open, and look at the first packets.

        Each of the three takes the time-out at most.

        Raises:
            StreamLost: a camera is away now, or `interrupt` was called.
            CdulEdgeError: no second try can cure it.
        """
        self.close()
        self._interrupted = False
        self.skipped = 0
        self._check()
        if not self._interrupted:  # else FFmpeg would look the host up again, without an end
            self._container = self._connect()
        if self._container is None or self._interrupted:
            self.close()
            raise StreamLost(f"{self._address.shown}: it was told to stop")
        try:
            self._stream = av_open.video_stream(self._address, self._container)
        except CdulEdgeError as error:
            self.close()
            if self._opened_before and not isinstance(error, StreamLost):
                raise StreamLost(str(error)) from None
            raise
        self._opened_before = not self.finite
        return av_open.describe(self._stream)

    def frames(self) -> Iterator[Frame]:
        """Frames until the stream ends, or `interrupt` is called.

        Raises:
            StreamLost: a camera went away, sent nothing for the time-out, or nothing that can be
                decoded.
            StreamEnded: what a web server sent was a recording after all.
            CdulEdgeError: a file holds no frame, or is damaged.
        """
        return self._file_frames() if self.finite else self._live_frames()

    def interrupt(self) -> None:
        """End at the next packet; where none comes, at the time-out."""
        self._interrupted = True
        lookup = self._lookup
        if lookup is not None:
            lookup.interrupt()

    def close(self) -> None:
        """Close the file or the connection."""
        container, self._container, self._stream = self._container, None, None
        if container is not None:
            container.close()

    def _check(self) -> None:
        if self._address.kind == "file":
            av_open.check_file(self._address)
        elif self._address.kind == "device":
            av_open.check_device(self._address, opened_before=self._opened_before)
        else:
            self._lookup = HostLookup(self._address)
            self._lookup.wait(self._options.timeout_s)

    def _connect(self) -> av.container.InputContainer:
        began_s = time.monotonic()
        try:
            return av_open.open_container(self._address, self._options)
        except av.FFmpegError as error:
            failure = self._failure(error, time.monotonic() - began_s)
        # not from within: FFmpeg's error, which would be its context, repeats the whole address
        raise failure

    def _failure(self, error: av.FFmpegError, waited_s: float) -> CdulEdgeError:
        if self._address.kind == "file":
            return av_failure.file_failure(self._address, error)
        # FFmpeg calls it "invalid data" or "exit" where the time-out ended it.
        if waited_s >= self._options.timeout_s:
            return StreamLost(f"{self._address.shown}: no answer for {self._options.timeout_s:g} s")
        return av_failure.live_failure(self._address, error, opened_before=self._opened_before)

    def _file_frames(self) -> Iterator[Frame]:
        container, stream = self._opened()
        converter, count = Converter(), 0
        reason = None
        clock = FileClock(time.time(), av_open.describe(stream).fps)
        try:
            for packet in container.demux(stream):
                for picture in self._decode(packet):
                    if self._interrupted:
                        return
                    count += 1
                    pts_s = _pts_s(picture)
                    yield Frame(
                        LazyPicture(picture, converter), clock.date(pts_s), "arrival", pts_s
                    )
        except av.FFmpegError as error:
            damage = "it broke off" if self._address.kind == "http" else "it is damaged"
            reason = f"{damage} after frame {count}: {error.strerror}"
        if reason is None and count == 0:
            reason = "no frame of it can be decoded"
        if reason is not None:
            raise CdulEdgeError(f"{self._address.shown}: {reason}")
        if self.skipped:
            warnings.warn(
                f"{self._address.shown}: {self.skipped} damaged packets were skipped, and "
                f"{count} frames read",
                CdulEdgeWarning,
                stacklevel=2,
            )

    def _live_frames(self) -> Iterator[Frame]:
        container, stream = self._opened()
        converter, clock, backlog = Converter(), CameraClock(), Backlog()
        decoded_s = time.monotonic()
        for packet in self._live_packets(container, stream):
            for picture in self._decode(packet):
                if picture.is_corrupt:  # smeared, as a packet is missing
                    self.skipped += 1
                    continue
                decoded_s = time.monotonic()
                pts_s = _pts_s(picture)
                if not container.duration and backlog.holds(pts_s):
                    continue
                stamp_s, whose = clock.date(self._camera_s(container, pts_s))
                yield Frame(LazyPicture(picture, converter), stamp_s, whose, pts_s)
                if self._interrupted:
                    return
            if time.monotonic() - decoded_s > UNDECODED_S + self._options.timeout_s:
                raise StreamLost(
                    f"{self._address.shown}: nothing that it sends can be decoded, for "
                    f"{UNDECODED_S:g} s"
                )

    def _live_packets(
        self, container: av.container.InputContainer, stream: av.VideoStream
    ) -> Iterator[av.Packet]:
        """Packets of the video; sound keeps no stream alive."""
        timeout_s, shown = self._options.timeout_s, self._address.shown
        packets = container.demux()
        came_s = time.monotonic()
        while not self._interrupted:
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                packet = None
                reason = "the connection broke" if _is_broken(error) else error.strerror
            else:
                reason = "the stream ended"
            if self._interrupted:
                return
            # A time-out comes as an error, or as the last packet, which a parser held back.
            if time.monotonic() - came_s >= timeout_s:
                raise StreamLost(f"{shown}: it sent no video for {timeout_s:g} s")
            if packet is None or packet.size == 0:
                if container.duration and packet is not None:
                    raise StreamEnded  # a recording whose name does not tell
                raise StreamLost(f"{shown}: {reason}")
            if packet.stream_index == stream.index:
                yield packet
                came_s = time.monotonic()  # after the work: a slow reader is not a slow camera

    def _decode(self, packet: av.Packet) -> list[av.VideoFrame]:
        try:
            return list(packet.decode())
        except EOFError:
            return []
        except av.error.MemoryError:
            raise
        except av.FFmpegError:
            self.skipped += 1
            return []

    def _camera_s(
        self, container: av.container.InputContainer, pts_s: float | None
    ) -> float | None:
        """What the camera's clock says; None where it does not."""
        if pts_s is None:
            return None
        if self._address.kind == "device":
            return pts_s
        # Of RTCP: None before the first report. PyAV before 18.1 never tells.
        began_us: int | None = getattr(container, "start_time_realtime", None)
        return began_us / 1e6 + pts_s if began_us else None

    def _opened(self) -> tuple[av.container.InputContainer, av.VideoStream]:
        if self._container is None or self._stream is None:
            raise CdulEdgeError(f"{self._address.shown}: it is not open; call open() first")
        return self._container, self._stream


def _pts_s(picture: av.VideoFrame) -> float | None:
    pts, base = picture.pts, picture.time_base
    return None if pts is None or base is None else float(pts * base)


def _is_broken(error: av.FFmpegError) -> bool:
    """FFmpeg has many names for a connection that ended in the middle of something."""
    kinds = (ConnectionError, av.error.InvalidDataError, av.error.ExitError)
    return isinstance(error, kinds) or error.errno == errno.EIO

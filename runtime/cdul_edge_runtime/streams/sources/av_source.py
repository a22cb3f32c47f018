"""Files and cameras through PyAV: FFmpeg's demuxers and decoders in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.streams.address import Address
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.source import SourceInfo, StreamLost

if TYPE_CHECKING:
    from cdul_edge_runtime.streams.sources.open_source import SourceOptions

with extra_imports("video", "reading videos and cameras"):
    import av

LIVE = {"fflags": "nobuffer", "flags": "low_delay"}


class AvSource:
    """A video file or a camera; see `Source`."""

    def __init__(self, address: Address, options: SourceOptions) -> None:
        self.finite = address.kind == "file"
        self._address = address
        self._options = options
        self._interrupted = threading.Event()
        self._container: av.container.InputContainer | None = None

    def open(self) -> SourceInfo:
        """Connect, within the time-out of each step of FFmpeg."""
        self._interrupted.clear()
        shown = self._address.shown
        if self.finite and not Path(self._address.location).is_file():
            raise CdulEdgeError(f"{shown}: there is no such file")
        options = {} if self.finite else {**LIVE, "rtsp_transport": self._options.transport}
        timeout = None if self.finite else self._options.timeout_s
        try:
            self._container = av.open(self._address.location, options=options, timeout=timeout)
        except av.FFmpegError as error:
            raise self._failure(error) from None
        if not self._container.streams.video:
            self.close()
            raise CdulEdgeError(f"{shown}: it has no video")
        stream = self._container.streams.video[0]
        stream.codec_context.thread_count = 1  # several streams give the parallelism
        rate = stream.average_rate
        return SourceInfo(
            stream.codec_context.width or None,
            stream.codec_context.height or None,
            stream.codec_context.name,
            float(rate) if rate else None,
        )

    def frames(self) -> Iterator[Frame]:
        """Every frame in order."""
        container = self._container
        if container is None:
            raise CdulEdgeError(f"{self._address.shown}: it is not open")
        stream = container.streams.video[0]
        began = time.time()
        try:
            for picture in container.decode(stream):
                if self._interrupted.is_set():
                    return
                pts_s = None if picture.pts is None else float(picture.pts * stream.time_base)
                stamp = began + (pts_s or 0.0) if self.finite else time.time()
                yield Frame(_Converted(picture), stamp, "arrival", pts_s)
        except av.FFmpegError as error:
            raise self._failure(error) from None
        if not self.finite and not self._interrupted.is_set():
            raise StreamLost(f"{self._address.shown}: the stream ended")

    def interrupt(self) -> None:
        """End at the next frame or time-out."""
        self._interrupted.set()

    def close(self) -> None:
        """Close the file or connection."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def _failure(self, error: av.FFmpegError) -> CdulEdgeError:
        kind = CdulEdgeError if self.finite else StreamLost
        return kind(f"{self._address.shown}: {error.strerror}")


class _Converted:
    def __init__(self, picture: av.VideoFrame) -> None:
        self._picture = picture

    def __call__(self) -> av.VideoFrame:
        return self._picture.to_ndarray(format="rgb24")

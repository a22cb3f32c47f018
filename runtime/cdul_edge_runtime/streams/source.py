"""Where frames come from: what `watch` asks of a camera, a file, or a program's own source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.frame import Frame


class StreamLost(CdulEdgeError):
    """A source that is away now and may come back: refused, timed out, or ended.

    What no second try can cure (a missing file, wrong credentials, 404) is a `CdulEdgeError`.
    """


class StreamEnded(Exception):
    """A live source that is over and well: its pipe was closed, or its pipeline reached the end.

    Whoever reads says "ended" and does not try again. Finite sources end by returning.
    """


@dataclass(frozen=True)
class SourceInfo:
    """What an open source is; a status row repeats it.

    Attributes:
        width_px, height_px: of its frames; None until the first one is there.
        codec: such as "h264"; None where nothing is decoded.
        fps: as the source claims; None where it claims nothing.
    """

    width_px: int | None = None
    height_px: int | None = None
    codec: str | None = None
    fps: float | None = None


class Source(Protocol):
    """Frames in order. One thread opens, reads and closes it, and may do so again after a loss.

    Attributes:
        finite: True for files and bags, of which every frame counts and which end; False for
            cameras, of which the newest frame counts and which should not end.
    """

    finite: bool

    def open(self) -> SourceInfo:
        """Connect, within the source's time-out.

        Raises:
            StreamLost: it is away now.
            CdulEdgeError: no second try can cure it. No text ever holds credentials.
        """
        ...

    def frames(self) -> Iterator[Frame]:
        """Frames until the stream ends.

        Raises:
            StreamLost: a live source that went away, or sent nothing for the time-out.
            StreamEnded: a live source that is over, and that no second try can bring back.
            CdulEdgeError: what is read is not video, or no second try can cure it.
        """
        ...

    def interrupt(self) -> None:
        """Make `open` or `frames` of the other thread end soon; called from any thread, and twice.

        A source that cannot be interrupted within a call ends at the next frame or time-out.
        """
        ...

    def close(self) -> None:
        """Give everything back; a source that was never opened has nothing."""
        ...

"""What `watch` expects of a camera, a file, or a source of your own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.frame import Frame


class StreamLost(CdulEdgeError):
    """A source that is unavailable for now: it refused, timed out, or ended. It is tried again.

    What another try cannot fix (a missing file, wrong credentials, 404) is a `CdulEdgeError` that
    is no `StreamLost`.
    """


class StreamEnded(Exception):
    """A live source that ended normally: its pipe was closed, or its pipeline reached the end.

    The stream's state becomes "ended", and it is not tried again. Finite sources end by returning.
    """


@dataclass(frozen=True)
class SourceInfo:
    """What is known of a source once it is open; `Status.info` of "connected" has it.

    Attributes:
        width_px, height_px: size of its frames; None if only a frame will tell.
        codec: such as "h264"; None if nothing is decoded.
        fps: frames per second that it claims to have; None if it claims nothing.
    """

    width_px: int | None = None
    height_px: int | None = None
    codec: str | None = None
    fps: float | None = None


class Source(Protocol):
    """Gives frames in order; a class of your own only needs these members.

    One thread calls `open`, `frames`, and `close`, and calls them again after a loss.

    Attributes:
        finite: True for files and bags, of which every frame counts and which end; False for
            cameras, of which the newest frame counts and which should not end.
    """

    finite: bool

    def open(self) -> SourceInfo:
        """Connect, within the source's time-out.

        Raises:
            StreamLost: it is unavailable for now.
            CdulEdgeError: another try cannot fix it. Messages appear in rows and logs, so they
                must not contain credentials.
        """
        ...

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the stream ends.

        Raises:
            StreamLost: a live source went away, or sent nothing for the time-out.
            StreamEnded: a live source ended normally.
            CdulEdgeError: what is read is not video, or another try cannot fix it.
        """
        ...

    def interrupt(self) -> None:
        """Make `open` or `frames`, which run in another thread, return soon.

        Called from any thread, also by the garbage collector, more than once, and before `open` or
        after `close`: it must not wait. A source that cannot be interrupted during a call ends
        at its next frame or time-out.
        """
        ...

    def close(self) -> None:
        """Release everything; do nothing if it is not open."""
        ...

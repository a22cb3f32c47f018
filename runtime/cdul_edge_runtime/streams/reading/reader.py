"""One thread per stream: the newest frame, and trying again.

Nothing here holds a lock that a signal handler or the garbage collector could wait for: what the
threads share are queues and deques, whose operations are whole.
"""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.reading.backoff import Backoff
from cdul_edge_runtime.streams.reading.pace import Pace
from cdul_edge_runtime.streams.rows import State, Status
from cdul_edge_runtime.streams.source import Source, SourceInfo, StreamEnded, StreamLost

Wakes = SimpleQueue[None]
_ENDED = "the stream ended"
_MOST_SAID = 1000  # states that wait for `poll`, the newest: a camera may come and go for weeks


@dataclass(frozen=True, eq=False)
class Taken:
    """A frame to classify.

    Attributes:
        frame: the frame.
        number: counted from 1 in the order of decoding, over reconnections.
        session: which connection it came by, counted from 1.
    """

    frame: Frame
    number: int
    session: int


@dataclass(frozen=True)
class _Said:
    row: Status
    session: int

    def comes_before(self, taken: Taken) -> bool:
        same = self.session == taken.session and self.row.state == "connected"
        return same or self.session < taken.session


class Reader:
    """Reads one source in a thread of its own, and keeps one frame.

    Of a live source that is the newest. A finite one waits until its frame was taken, so that every
    frame is seen in order. A source that was lost is tried again (`Backoff`).

    Attributes:
        decoded: frames since the beginning.
        losses: how often its frames ended before their time; tries that failed do not count.
        error: what the source raised that is neither its loss nor a `CdulEdgeError`: a bug.

    Args:
        name: of the stream.
        source: what is read; only this reader's thread opens, reads, and closes it.
        wakes: gets an item whenever `poll` has something new.
        rate: most frames a second; None is all of them.
        reconnect: whether a live source that was lost is tried again.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        wakes: Wakes,
        *,
        rate: float | None = None,
        reconnect: bool = True,
    ) -> None:
        self.name = name
        self.finite = source.finite
        self.decoded = 0
        self.losses = 0
        self.error: BaseException | None = None
        self._source = source
        self._wakes = wakes
        self._pace = Pace(rate, finite=source.finite)
        self._retries = reconnect and not source.finite
        self._slot: deque[Taken] = deque(maxlen=1)
        self._said: deque[_Said] = deque(maxlen=_MOST_SAID)
        self._offered = self._polled = 0
        self._session = 0
        self._first_s: float | None = None  # of this session, on the monotonic clock
        self._last_s = 0.0
        self._nudges: SimpleQueue[None] = SimpleQueue()  # ends a wait of the thread
        self._waiting = self._announced = self._stopping = self._over = False
        self._process = os.getpid()
        self._thread = Thread(target=self._run, name=f"cdul-edge stream {name}", daemon=True)

    @property
    def over(self) -> bool:
        """Whether nothing will come any more, and all that came was polled."""
        return self._over and not self._slot and not self._said

    @property
    def dropped(self) -> int:
        """Frames that a newer one replaced before they were polled."""
        return max(0, self._offered - self._polled - len(self._slot))

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end, without waiting; may be called again.

        In a fork of the process there is no such thread, and its connection is the other process's.
        """
        if os.getpid() != self._process:
            return
        self._stopping = True
        self._nudges.put(None)
        if self._thread.is_alive():
            try:
                self._source.interrupt()
            except Exception as error:  # noqa: BLE001 - raised where the rows are taken
                self.error = self.error or error  # and the other streams are stopped first

    def join(self, seconds: float) -> bool:
        """Wait for the thread to end; False where it hangs in its source and is left behind."""
        if self._thread.ident is None:  # never started
            return True
        self._thread.join(max(0.0, seconds))
        return not self._thread.is_alive()

    def poll(self) -> tuple[list[Status], Taken | None]:
        """What happened since the last call, in order: states first, and then a frame."""
        self._announced = False  # first: what comes from now on is announced
        known = len(self._said)
        taken = self._take()
        rows: list[Status] = []
        while self._said and (
            len(rows) < known if taken is None else self._said[0].comes_before(taken)
        ):
            rows.append(self._said.popleft().row)
        return rows, taken

    def _take(self) -> Taken | None:
        try:
            taken = self._slot.popleft()
        except IndexError:
            return None
        self._polled += 1
        if self._waiting:
            self._nudges.put(None)
        return taken

    def _run(self) -> None:
        try:
            self._read_until_over()
        except BaseException as error:  # noqa: BLE001 - raised where the rows are taken
            if not self._stopping:  # else its interruption is the cause
                self.error = error
        finally:
            self._over = True
            self._wakes.put(None)

    def _read_until_over(self) -> None:
        backoff = Backoff()
        while not self._stopping:
            self._session += 1
            self._first_s = None
            try:
                self._read_session()
            except StreamEnded as end:
                return self._say("ended", str(end) or None)
            except StreamLost as loss:
                if self._stopping:  # which cut its frames off
                    return None
                if not self._retries:
                    return self._say("failed", str(loss) or _ENDED)
                healthy_s = 0.0
                if self._first_s is not None:
                    healthy_s = self._last_s - self._first_s
                    self.losses += 1
                wait_s = backoff.wait_s(healthy_s)
                self._say("lost", str(loss) or _ENDED, retry_s=round(wait_s, 2))
                self._pause(wait_s)
            except CdulEdgeError as error:
                return self._say("failed", str(error))

    def _read_session(self) -> None:
        """From opening to closing; always leaves with an error that says why."""
        try:
            info = self._source.open()
            for frame in self._source.frames():
                if self._stopping:
                    break
                self._take_in(frame, info)
        finally:
            self._source.close()
        if not self.finite:
            raise StreamLost(_ENDED)
        if not self.decoded and not self._stopping:
            raise CdulEdgeError("it ended before its first frame")
        raise StreamEnded

    def _take_in(self, frame: Frame, info: SourceInfo) -> None:
        if not isinstance(frame, Frame):
            kind = type(frame).__name__
            raise TypeError(f"stream {self.name!r}: its source yielded a {kind}; expected a Frame")
        self._last_s = time.monotonic()
        if self._first_s is None:
            self._first_s = self._last_s
            self._say("connected", info=info)
        self.decoded += 1
        # A frame that waits still gives way to a newer one, due or not.
        if not self._pace.is_due(frame) and (self.finite or not self._slot):
            return
        if self.finite:
            self._wait_for_room()
        self._offered += 1
        self._slot.append(Taken(frame, self.decoded, self._session))
        self._announce()

    def _announce(self) -> None:
        if not self._announced:
            self._announced = True
            self._wakes.put(None)

    def _wait_for_room(self) -> None:
        while self._slot and not self._stopping:
            self._waiting = True
            if self._slot and not self._stopping:  # else it was taken before it could be seen
                self._nudges.get()
            self._waiting = False

    def _pause(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while not self._stopping and (left_s := end_s - time.monotonic()) > 0:
            with suppress(Empty):
                self._nudges.get(timeout=left_s)

    def _say(
        self,
        state: State,
        reason: str | None = None,
        *,
        retry_s: float | None = None,
        info: SourceInfo | None = None,
    ) -> None:
        if self._stopping:  # whoever stopped it says so
            return
        row = Status(self.name, time.time(), state, reason, retry_s, info)
        self._said.append(_Said(row, self._session))
        self._announce()

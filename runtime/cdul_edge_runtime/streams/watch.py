"""Watch several streams with one classifier."""

from __future__ import annotations

import math
import os
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import RLock
from types import TracebackType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.choices import Transport
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.figures.drift_window import DriftWindow
from cdul_edge_runtime.streams.labels.smoothing import Smoothing
from cdul_edge_runtime.streams.reading.reader import Reader, Wakes
from cdul_edge_runtime.streams.rows import Row
from cdul_edge_runtime.streams.source import Source
from cdul_edge_runtime.streams.stream import Stream
from cdul_edge_runtime.streams.turns import Turns
from cdul_edge_runtime.streams.watch_inputs import (
    LONGEST_S,
    WatchOptions,
    check_thresholds,
    open_sources,
)

_INTERRUPT_AGAIN_S = 0.2
_JOIN_MORE_S = 1.0


def watch(  # noqa: PLR0913 - options of their own, all but two given by name
    classifier: Classifier,
    sources: Mapping[str, str | Path | Source],
    *,
    rate: float | None = None,
    smoothing: Smoothing | None = Smoothing(),
    thresholds: npt.NDArray[Any] | None = None,
    timeout_s: float = 5.0,
    transport: Transport = "tcp",
    reconnect: bool = True,
    stats_s: float | None = None,
) -> Watch:
    """Classify what streams show, frame by frame.

    >>> with watch(classifier, {"door": "rtsp://192.168.1.20/stream"}) as rows:
    ...     for row in rows:
    ...         if isinstance(row, Appeared):
    ...             print(row.stream, row.label)

    Of a live source, the newest frame is classified and none queue; a source that is lost is tried
    again until it is back. Of files and bags, every frame is classified, in order. Frames of
    several streams that are ready together go through the network in one call.

    Args:
        classifier: classifies the frames; it stays open.
        sources: an address or a `Source` per stream. Addresses are those of `cdul-edge watch`.
        rate: at most so many frames per second of each stream, in recorded time for files and
            bags; None takes all. Below 3 / `Smoothing.reset_s`, labels end after three missing
            frames instead.
        smoothing: how scores become labels; None takes each frame by itself.
        thresholds: (C,) instead of the classifier's; NaN or infinity is never reached.
        timeout_s: a live source that sends nothing for so many seconds counts as lost.
        transport: "tcp" or "udp", for RTSP.
        reconnect: whether a live source that is lost is tried again; otherwise it fails.
        stats_s: seconds between two `Stats` rows of each stream; None gives none.

    Raises:
        CdulEdgeError: an option, name, or address is invalid; nothing was opened.
        MissingExtraError: the library that reads a source is not installed.
    """
    options = WatchOptions(rate, smoothing, timeout_s, transport, reconnect, stats_s)
    return Watch(classifier, sources, options, thresholds)


class Watch(Iterator[Row]):
    """Rows of several streams, until all of them ended or `stop` was called.

    Reading begins with the first row, or at the start of a `with` block, whose end closes every
    source. It can be iterated once.

    An error of the classifier, or an unexpected one of a source of your own, is raised after each
    present label had its `Gone` row. A source that fails with a `CdulEdgeError` gives a `Status`
    row, and the others go on. Several threads may take rows; each row goes to one of them.
    """

    def __init__(
        self,
        classifier: Classifier,
        sources: Mapping[str, str | Path | Source],
        options: WatchOptions = WatchOptions(),
        thresholds: npt.NDArray[Any] | None = None,
    ) -> None:
        """See `watch`."""
        chosen = check_thresholds(
            classifier.thresholds if thresholds is None else thresholds, classifier.classes
        )
        self._classifier = classifier
        self._options = options
        self._wakes: Wakes = SimpleQueue()
        self._streams = self._make_streams(open_sources(sources, options), chosen)
        self._rows: deque[Row] = deque()
        self._turn = RLock()
        self._phase: Literal["new", "running", "closing", "closed"] = "new"
        self._error: BaseException | None = None
        self._stopping = self._is_taking = False
        self._turns = Turns(classifier, self._streams)
        self._process = os.getpid()
        self._finalizer = weakref.finalize(self, _stop, [s.reader for s in self._streams])

    def _make_streams(
        self, sources: Mapping[str, Source], thresholds: npt.NDArray[np.float32]
    ) -> list[Stream]:
        numbers = count(1)
        reference = self._classifier.score_reference() if self._options.stats_s else None
        if reference is not None:
            reference = reference.at(thresholds)
        return [
            Stream(
                Reader(
                    name,
                    source,
                    self._wakes,
                    rate=self._options.rate,
                    reconnect=self._options.reconnect,
                ),
                self._classifier,
                thresholds,
                self._options,
                numbers,
                DriftWindow.at_rate(reference, self._options.rate),
            )
            for name, source in sources.items()
        ]

    def stop(self) -> None:
        """End the rows soon, after each present label has its `Gone` row.

        Safe in signal handlers and from other threads. It does not wait, and may be called again.
        """
        self._stopping = True
        self._wakes.put(None)  # in a signal handler, too: it never waits for another thread

    def close(self) -> None:
        """Stop, and wait until every source is closed; rows that were not taken are discarded.

        A source that hangs is left behind after the time-out and a second. In a signal handler that
        interrupts the loop over the rows, it is `stop`: the loop ends soon.
        """
        if os.getpid() != self._process:  # its threads, and maybe who holds the lock, are not here
            return
        self.stop()
        with self._turn:
            if not self._is_taking:
                self._close_now()

    def _close_now(self) -> None:
        self._begin_closing()
        self._finish_closing()
        self._rows.clear()
        self._error = None

    def __next__(self) -> Row:
        if os.getpid() != self._process:
            raise CdulEdgeError(
                "this Watch was made before the process was forked: call watch() in the fork"
            )
        with self._turn:
            self._is_taking = True
            try:
                while not self._rows:
                    if self._phase == "closed":
                        self._raise_error()
                        raise StopIteration
                    self._advance()
                return self._rows.popleft()
            finally:
                self._is_taking = False

    def __enter__(self) -> Watch:
        with self._turn:
            if self._phase == "closed":
                raise CdulEdgeError("this Watch is closed: call watch() for another")
            self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> None:
        if self._phase == "new" and not self._stopping:
            self._phase = "running"
            self._stats_due_s = time.monotonic() + (self._options.stats_s or 0)
            try:
                for stream in self._streams:
                    stream.reader.start()
            except BaseException:  # the system has no thread left for it
                self._close_now()
                raise

    def _advance(self) -> None:
        """Do one thing, which gives rows or changes the phase, or wait for something to do."""
        self._start()
        if self._phase == "closing":
            self._finish_closing()
        elif self._stopping:
            self._begin_closing()
        else:
            try:
                if not self._step() and not self._stopping:
                    self._wait()
            except Exception as error:  # noqa: BLE001 - raised after the rows that are due
                self._error = error
                self._begin_closing()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _step(self) -> bool:
        """Whether there was anything to do."""
        known = len(self._rows)
        classified = self._turns.take(self._rows)
        if self._stats_are_due():
            self._rows.extend(stream.stats.row() for stream in self._streams)
        for stream in self._streams:
            self._rows.extend(stream.end_silent_labels())
            stream.raise_bug()
        if all(stream.over for stream in self._streams):
            self._begin_closing()
            return True
        return classified or len(self._rows) > known

    def _stats_are_due(self) -> bool:
        every_s, now_s = self._options.stats_s, time.monotonic()
        if every_s is None or now_s < self._stats_due_s:
            return False
        self._stats_due_s = max(self._stats_due_s + every_s, now_s)
        return True

    def _wait(self) -> None:
        """Until a reader has something, or a clock does; a signal is handled meanwhile."""
        clocks = [stream.silence_ends_s for stream in self._streams]
        if self._options.stats_s is not None:
            clocks.append(self._stats_due_s)
        due_s = min(clocks)
        try:
            if due_s == math.inf:
                self._wakes.get()
            else:
                self._wakes.get(timeout=min(max(0.0, due_s - time.monotonic()), LONGEST_S))
            while True:  # one look answers all that woke this one meanwhile
                self._wakes.get_nowait()
        except Empty:
            pass

    def _begin_closing(self) -> None:
        if self._phase in ("new", "running"):
            self._phase = "closing"
            _stop([stream.reader for stream in self._streams])
            for stream in self._streams:
                self._rows.extend(stream.close_labels("stopped"))

    def _finish_closing(self) -> None:
        if self._phase != "closing":
            return
        began_s = time.monotonic()
        last_s = began_s + self._options.timeout_s + _JOIN_MORE_S
        for end_s in (began_s + _INTERRUPT_AGAIN_S, last_s):
            for stream in self._streams:
                if not stream.reader.join(end_s - time.monotonic()):
                    stream.reader.stop()  # it may have been between two calls the first time
        if self._options.stats_s is not None:
            self._rows.extend(stream.stats.row() for stream in self._streams)
        for stream in self._streams:
            self._rows.extend(stream.say_stopped())
            self._error = self._error or stream.reader.error
        self._phase = "closed"


def _stop(readers: Iterable[Reader]) -> None:
    for reader in readers:
        reader.stop()

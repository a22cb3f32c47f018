"""One stream of a watch: its reader, its labels, and its figures."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.figures.drift_window import DriftWindow
from cdul_edge_runtime.streams.figures.stats import StreamStats
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.labels.label_rows import LabelRows
from cdul_edge_runtime.streams.reading.reader import Reader, Taken
from cdul_edge_runtime.streams.rows import FramePrediction, GoneReason, Row, Scores, State, Status
from cdul_edge_runtime.streams.watch_inputs import WatchOptions

_ENDS: dict[State, GoneReason] = {"lost": "lost", "failed": "lost", "ended": "stopped"}


@dataclass(frozen=True, eq=False)
class Fresh:
    """A frame whose turn it is."""

    stream: Stream
    taken: Taken


class Stream:
    """What a watch knows of one stream; only the thread that takes rows uses it."""

    def __init__(
        self,
        reader: Reader,
        classifier: Classifier,
        thresholds: Scores,
        options: WatchOptions,
        numbers: Iterator[int],
        drift: DriftWindow,
    ) -> None:
        """See `LabelRows` for `thresholds` and `numbers`.

        `drift` is this stream's own window.
        """
        self.reader = reader
        self.stats = StreamStats(reader, drift)
        self._classes = classifier.classes
        self._reset_s = options.reset_s
        self._labels = LabelRows(
            reader.name, self._classes, thresholds, options.smoothing, self._reset_s, numbers
        )
        self._seen_s = 0.0  # when the last frame was classified, on the monotonic clock
        self._is_over = False

    @property
    def silence_ends_s(self) -> float:
        """When labels that are there end for want of frames, on the monotonic clock; or infinity.

        A frozen camera counts as lost only after its time-out, and a file waits for its reader.
        """
        if self.reader.finite or not self._labels.present:
            return math.inf
        return self._seen_s + self._reset_s

    @property
    def over(self) -> bool:
        """Whether nothing will come any more."""
        return self._is_over or self.reader.over

    def raise_bug(self) -> None:
        """Raise what a program's own source raised by mistake, once what came before is polled."""
        if self.reader.over and self.reader.error is not None:
            raise self.reader.error

    def poll(self) -> tuple[list[Row], Fresh | None]:
        """What happened to the stream, with the ends of labels that went with it, and a frame."""
        if self._is_over:
            return [], None
        statuses, taken = self.reader.poll()
        rows: list[Row] = []
        for status in statuses:
            self._is_over = status.state in ("ended", "failed")
            ends = self._labels.close(_ENDS[status.state]) if status.state in _ENDS else []
            # what says that a stream is over is its last row
            rows += [*ends, status] if self._is_over else [status, *ends]
        return rows, None if taken is None else Fresh(self, taken)

    def take_in(self, taken: Taken, raw: Scores) -> list[Row]:
        """The rows of a frame with these (C,) scores."""
        frame = taken.frame
        self._seen_s = time.monotonic()
        age_ms = self._age_ms(frame)
        self.stats.add(age_ms, raw, frame.time_s)
        try:
            seen = self._labels.update(raw, frame)
        except CdulEdgeError as error:
            return self.fail(error)
        prediction = FramePrediction(
            stream=self.reader.name,
            frame=taken.number,
            time_s=frame.time_s,
            clock=frame.clock,
            age_ms=age_ms,
            labels=seen.labels,
            scores=seen.scores,
            raw=raw,
            classes=self._classes,
            picture=frame,
        )
        return [prediction, *seen.changes]

    def end_silent_labels(self) -> list[Row]:
        """Ends of labels of a live stream that has sent nothing for `Smoothing.reset_s`."""
        return self.close_labels("lost") if time.monotonic() >= self.silence_ends_s else []

    def close_labels(self, reason: GoneReason) -> list[Row]:
        """Ends of all labels that are there."""
        return [*self._labels.close(reason)]

    def fail(self, error: CdulEdgeError) -> list[Row]:
        """Give the stream up because of a frame that no classifier can take."""
        if self._is_over:
            return []
        self._is_over = True
        self.reader.stop()
        return [*self._labels.close("lost"), self._status("failed", str(error))]

    def say_stopped(self) -> list[Row]:
        """The last row of a stream that was stopped; none if it was over before."""
        if self._is_over:
            return []
        self._is_over = True
        reason = None if self.reader.join(0) else "its source hangs; its thread is left running"
        return [self._status("stopped", reason)]

    def _status(self, state: State, reason: str | None) -> Status:
        return Status(self.reader.name, time.time(), state, reason)

    def _age_ms(self, frame: Frame) -> float:
        if frame.clock == "camera" and not self.reader.finite:
            return (time.time() - frame.time_s) * 1e3
        return (time.monotonic() - frame.arrived_s) * 1e3

"""Rows of a `Watch`: predictions, labels that appear and go, states of streams, and figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.metrics.drift import DriftReport
from cdul_edge_runtime.streams.frame import Clock, Frame
from cdul_edge_runtime.streams.source import SourceInfo

Scores = npt.NDArray[np.float32]
GoneReason = Literal["lost", "stopped"]
State = Literal["connected", "lost", "ended", "failed", "stopped"]


@dataclass(frozen=True, eq=False)
class FramePrediction:
    """One frame that was classified.

    Attributes:
        stream: name of the stream.
        frame: its number, counted from 1 in the order of decoding, over reconnections.
        time_s: when it was taken, in seconds since 1970.
        clock: whose clock that is.
        age_ms: from then to its result.
        labels: names of the labels that are present, smoothed, the highest score first.
        scores: (C,) smoothed scores in [0, 1].
        raw: (C,) scores of this frame alone.
        classes: names of the columns.
        picture: the frame itself; its pixels stay in memory as long as the row does.
    """

    stream: str
    frame: int
    time_s: float
    clock: Clock
    age_ms: float
    labels: tuple[str, ...]
    scores: Scores
    raw: Scores
    classes: ClassList = field(repr=False)
    picture: Frame = field(repr=False)


@dataclass(frozen=True, eq=False)
class Appeared:
    """A label became present.

    Attributes:
        id: unique within a `Watch`; the `Gone` that follows has the same.
        since_s: when it was first seen, in seconds since 1970.
        time_s: of the frame that made it certain.
        score: smoothed, in [0, 1], at that frame.
        picture: that frame.
    """

    stream: str
    label: str
    id: str
    since_s: float
    time_s: float
    score: float
    picture: Frame | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Gone:
    """A label is no longer present; exactly one follows each `Appeared`.

    Attributes:
        until_s: when it was last seen, in seconds since 1970.
        duration_s: from `since_s` to `until_s`.
        peak: highest smoothed score between them, in [0, 1].
        reason: None if frames no longer show it; "lost" or "stopped" if its stream went.
    """

    stream: str
    label: str
    id: str
    since_s: float
    until_s: float
    duration_s: float
    peak: float
    reason: GoneReason | None = None


@dataclass(frozen=True)
class Status:
    """A stream changed its state.

    Attributes:
        reason: one line without credentials; None if there is nothing to explain.
        retry_s: seconds until the next try; None if there is none.
        info: what was opened; None unless `state` is "connected".
    """

    stream: str
    time_s: float
    state: State
    reason: str | None = None
    retry_s: float | None = None
    info: SourceInfo | None = None


@dataclass(frozen=True)
class Stats:
    """Figures of one stream since the last row of its kind.

    Attributes:
        fps_in: frames decoded per second.
        fps_out: frames classified per second.
        dropped: frames of a live source that a newer one replaced, since the watch began.
        age_p50_ms, age_p95_ms: time from capture to result; None if nothing was classified.
        losses: how often its frames ended before their time, since the watch began.
        rss_mib: resident memory of the process.
        drift: over the last minutes, see `measure_drift`; None if it cannot be measured.
        drift_note: why not, such as "no reference" or "too few frames: 12 of 100".
    """

    stream: str
    time_s: float
    fps_in: float
    fps_out: float
    dropped: int
    age_p50_ms: float | None
    age_p95_ms: float | None
    losses: int
    rss_mib: float
    drift: DriftReport | None = None
    drift_note: str | None = None


Row = FramePrediction | Appeared | Gone | Status | Stats

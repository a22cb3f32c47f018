"""Rows of `cdul-edge watch`, one a line, checked where they are read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.json_record import RecordError, parse_record

_MEND = "it was cut or edited; take the line out"

Kind = Literal["prediction", "appeared", "gone", "status", "stats"]


@dataclass(frozen=True)
class PredictionRow:
    """A frame that was classified; its scores are not looked at."""

    stream: str
    time: str | None
    labels: tuple[str, ...]


@dataclass(frozen=True)
class AppearedRow:
    """A label became present."""

    stream: str
    label: str
    id: str
    since: str | None
    time: str | None
    score: float | None


@dataclass(frozen=True)
class GoneRow:
    """A label is no longer present."""

    stream: str
    label: str
    id: str
    since: str | None
    until: str | None
    duration_s: float | None
    peak: float | None
    reason: str | None = None


@dataclass(frozen=True)
class StatusRow:
    """A stream changed its state."""

    stream: str
    time: str | None
    state: str
    reason: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    codec: str | None = None
    fps: float | None = None


@dataclass(frozen=True)
class DriftOfClass:
    """Drift of one class; see `ClassDrift`."""

    psi: float | None
    prevalence: float | None
    reference_prevalence: float | None
    calibration_shift: float | None


@dataclass(frozen=True)
class DriftRow:
    """Drift of the last minutes, or why there is none."""

    note: str | None = None
    frames: int | None = None
    classes: int | None = None
    shifted: int | None = None
    median_psi: float | None = None
    worst: Mapping[str, DriftOfClass] | None = None


@dataclass(frozen=True)
class StatsRow:
    """Figures of one stream since the last row of its kind."""

    stream: str
    time: str | None
    fps_in: float | None
    fps_out: float | None
    dropped: int
    age_p50_ms: float | None
    age_p95_ms: float | None
    losses: int
    rss_mib: float | None
    drift: DriftRow


WatchRow = PredictionRow | AppearedRow | GoneRow | StatusRow | StatsRow

_RECORDS: Mapping[str, type[WatchRow]] = {
    "appeared": AppearedRow,
    "gone": GoneRow,
    "status": StatusRow,
    "stats": StatsRow,
}


def iterate_rows(file: Path) -> Iterator[WatchRow]:
    """The rows in order; a last line that is not finished is still being written, and left out.

    Raises:
        CdulEdgeError: a line that is no row of `watch`, with its number.
    """
    with file.open("rb") as opened:
        for number, line in enumerate(opened, start=1):
            if not line.endswith(b"\n"):
                return
            if line.strip():
                yield _parse(line, f"{file}, line {number}")


def seconds_of(time: str | None) -> float | None:
    """Seconds since 1970 of a row's time; None where it has none."""
    return None if time is None else datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


def _parse(line: bytes, where: str) -> WatchRow:
    try:
        row: object = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise CdulEdgeError(f"{where} is not JSON ({error}): {_MEND}") from error
    kind = row.get("type") if isinstance(row, dict) else None
    try:
        if kind == "prediction" and isinstance(row, dict):
            found: WatchRow = _prediction(row)
        elif isinstance(kind, str) and kind in _RECORDS:
            found = parse_record(_RECORDS[kind], row)
        else:
            raise RecordError(f"its type is {kind!r}, expected prediction or {', '.join(_RECORDS)}")
        for name in ("time", "since", "until"):
            seconds_of(getattr(found, name, None))
    except (RecordError, ValueError) as error:
        raise CdulEdgeError(f"{where} is no row of `cdul-edge watch` ({error}): {_MEND}") from error
    return found


def _prediction(row: Mapping[str, object]) -> PredictionRow:
    """By hand: a watch of days has millions of these."""
    stream, time, labels = (row.get(name) for name in ("stream", "time", "labels"))
    if not isinstance(stream, str) or not (time is None or isinstance(time, str)):
        raise RecordError("stream or time is missing")
    if not isinstance(labels, list) or not all(isinstance(one, str) for one in labels):
        raise RecordError("labels is not a list of names")
    return PredictionRow(stream, time, tuple(labels))


def _refuse(name: str) -> object:
    raise ValueError(f"it holds {name}")

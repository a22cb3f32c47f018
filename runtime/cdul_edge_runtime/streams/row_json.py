"""Rows as JSON: one object a line, times in UTC with milliseconds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.json_record import finite_or_none
from cdul_edge_runtime.metrics.drift import DriftReport
from cdul_edge_runtime.streams.rows import (
    Appeared,
    FramePrediction,
    Gone,
    Row,
    Stats,
    Status,
)

_WORST = 5  # classes of a row of figures
_DRIFT = ("psi", "prevalence", "reference_prevalence", "calibration_shift")
Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


def to_json(row: Row) -> str:
    """One line, without its line break; what is not a number is null."""
    return json.dumps(to_dict(row), ensure_ascii=False, allow_nan=False)


def to_dict(row: Row) -> dict[str, Json]:
    """The fields of a row, ready for JSON; its pictures are left out.

    Times are texts such as "2026-11-26T22:58:00.125Z"; scores have six decimals. A status row has
    the size, codec, and rate of a source where they are known.
    """
    if isinstance(row, FramePrediction):
        return _prediction(row)
    if isinstance(row, Appeared):
        return {
            **_event("appeared", row),
            "time": format_time(row.time_s),
            "score": _rounded(row.score, 6),
        }
    if isinstance(row, Gone):
        return {
            **_event("gone", row),
            "until": format_time(row.until_s),
            "duration_s": _rounded(row.duration_s, 3),
            "peak": _rounded(row.peak, 6),
            "reason": row.reason,
        }
    return _status(row) if isinstance(row, Status) else _stats(row)


def format_time(time_s: float) -> str | None:
    """Seconds since 1970 as UTC with milliseconds; None where no calendar has them."""
    date = date_of(time_s)
    if date is None:
        return None
    return date.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def date_of(time_s: float) -> datetime | None:
    """Seconds since 1970 in UTC, to the millisecond; None where no calendar has them."""
    try:
        return datetime.fromtimestamp(round(time_s, 3), timezone.utc)
    except (OverflowError, ValueError, OSError):  # a camera may claim any time
        return None


def _prediction(row: FramePrediction) -> dict[str, Json]:
    return {
        "type": "prediction",
        "stream": row.stream,
        "frame": row.frame,
        "time": format_time(row.time_s),
        "clock": row.clock,
        "age_ms": _rounded(row.age_ms, 1),
        "labels": list(row.labels),
        "scores": _by_class(row.classes, row.scores),
        "raw": _by_class(row.classes, row.raw),
    }


def _event(kind: str, row: Appeared | Gone) -> dict[str, Json]:
    return {
        "type": kind,
        "stream": row.stream,
        "label": row.label,
        "id": row.id,
        "since": format_time(row.since_s),
    }


def _status(row: Status) -> dict[str, Json]:
    info = {} if row.info is None else asdict(row.info)
    return {
        "type": "status",
        "stream": row.stream,
        "time": format_time(row.time_s),
        "state": row.state,
        "reason": row.reason,
        "retry_s": _rounded(row.retry_s, 2),
        **{name: value for name, value in info.items() if value is not None},
    }


def _stats(row: Stats) -> dict[str, Json]:
    return {
        "type": "stats",
        "stream": row.stream,
        "time": format_time(row.time_s),
        "fps_in": _rounded(row.fps_in, 2),
        "fps_out": _rounded(row.fps_out, 2),
        "dropped": row.dropped,
        "age_p50_ms": _rounded(row.age_p50_ms, 1),
        "age_p95_ms": _rounded(row.age_p95_ms, 1),
        "losses": row.losses,
        "rss_mib": _rounded(row.rss_mib, 1),
        "drift": {"note": row.drift_note} if row.drift is None else _drift(row.drift),
    }


def _drift(report: DriftReport) -> dict[str, Json]:
    """All classes in short, and the worst one by one: a row of 80 classes is to stay readable."""
    return {
        "frames": report.pictures,
        "reference_pictures": report.reference_pictures,
        "classes": len(report.classes),
        "shifted": len(report.shifted),
        "median_psi": _rounded(report.median_psi, 4),
        "worst": {
            name: {figure: _rounded(getattr(report.classes[name], figure), 4) for figure in _DRIFT}
            for name in report.worst(_WORST)
        },
    }


def _by_class(classes: ClassList, scores: npt.NDArray[np.floating]) -> dict[str, Json]:
    if len(scores) != len(classes):
        raise ValueError(f"{len(scores)} scores of {len(classes)} classes")
    rounded = np.round(scores.astype(np.float64), 6).tolist()
    return {name: finite_or_none(score) for name, score in zip(classes, rounded, strict=True)}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else finite_or_none(round(float(value), digits))

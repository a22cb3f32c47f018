"""What scores are worth against truth, as reports of metrics have it in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cdul_edge_runtime.host.json_record import parse_record
from cdul_edge_runtime.metrics.metrics import MetricsReport


@dataclass(frozen=True)
class MetricsFacts:
    """Metrics in percent, with the names of `MetricsReport`; None where one is not defined."""

    pictures: int
    ap: Mapping[str, float | None]
    ap_convention: str
    map: float | None
    cp: float | None
    cr: float | None
    cf1: float | None
    op: float | None
    or_: float | None
    of1: float | None
    macro_f1: float | None
    hamming: float | None
    density: float | None
    ece: float | None
    ece_by_class: float | None
    brier: float | None
    classes_without_positive: int = 0

    @classmethod
    def of(cls, report: MetricsReport | None) -> MetricsFacts | None:
        """Plain values; None of None."""
        return None if report is None else parse_record(cls, report.to_dict())

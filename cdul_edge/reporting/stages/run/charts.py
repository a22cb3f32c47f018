"""Curves of a run over its epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cdul_edge.page.charts import draw_lines, to_inline_svg
from cdul_edge.reporting.stages.thin_out import thin_out
from cdul_edge.training.summary import EpochLine
from cdul_edge_runtime.host.json_record import finite_or_none

MOST_POINTS = 200


@dataclass(frozen=True)
class EpochFacts:
    """One line of metrics.jsonl.

    Attributes:
        loss, bce, kl: see `EpochLine`.
        val_map, val_cf1, val_of1: of the held-out pictures, in percent; None without truth.
        labels_map: of the labels, in percent; None without truth.
        label_change, labels_crossed_up, labels_crossed_down: what the method said about how it
            revised its labels; shares of all entries. None where it did not.
    """

    epoch: int
    loss: float | None
    bce: float | None
    kl: float | None
    rate: float | None
    val_map: float | None
    val_cf1: float | None
    val_of1: float | None
    labels_map: float | None
    label_change: float | None
    labels_crossed_up: float | None
    labels_crossed_down: float | None

    @classmethod
    def of(cls, line: EpochLine) -> EpochFacts:
        """What the report shows of a line."""
        val = line.val

        def revised(name: str) -> float | None:
            value = line.revision.get(name)
            return None if value is None or isinstance(value, str) else finite_or_none(value)

        return cls(
            epoch=line.epoch,
            loss=finite_or_none(line.loss),
            bce=finite_or_none(line.bce),
            kl=finite_or_none(line.kl),
            rate=finite_or_none(line.rate),
            val_map=None if val is None else finite_or_none(val.map),
            val_cf1=None if val is None else finite_or_none(val.cf1),
            val_of1=None if val is None else finite_or_none(val.of1),
            labels_map=None if line.labels_map is None else finite_or_none(line.labels_map),
            label_change=revised("label_change"),
            labels_crossed_up=revised("labels_crossed_up"),
            labels_crossed_down=revised("labels_crossed_down"),
        )


# Key of a chart, its title, what its axis counts, and its lines: name to (field, factor).
_CHARTS: tuple[tuple[str, str, str, Mapping[str, tuple[str, float]]], ...] = (
    ("loss", "Loss by epoch", "loss, nats", {"loss": ("loss", 1), "KL": ("kl", 1)}),
    (
        "metrics",
        "Quality by epoch",
        "percent",
        {
            "held-out mAP": ("val_map", 1),
            "held-out CF1": ("val_cf1", 1),
            "held-out OF1": ("val_of1", 1),
            "labels' mAP": ("labels_map", 1),
        },
    ),
    (
        "crossings",
        "Labels that crossed 0.5 by epoch",
        "percent of all entries",
        {"appeared": ("labels_crossed_up", 100), "vanished": ("labels_crossed_down", 100)},
    ),
)


def draw_epochs(lines: Sequence[EpochFacts], key: str) -> dict[str, Markup]:
    """A chart of each kind that has values, by name."""
    shown = thin_out(lines, MOST_POINTS)
    charts = {}
    for name, title, y_label, wanted in _CHARTS:
        series = {
            label: ([float(line.epoch) for line in shown], _values(shown, field, factor))
            for label, (field, factor) in wanted.items()
        }
        series = {
            label: line
            for label, line in series.items()
            if any(value is not None for value in line[1])
        }
        if series:
            charts[name] = to_inline_svg(
                draw_lines(series, "epoch", y_label),
                key=f"{key}-{name}",
                title=title,
                description=f"{y_label}. " + "; ".join(_say(series)),
            )
    return charts


def _values(lines: Sequence[EpochFacts], field: str, factor: float) -> list[float | None]:
    values: list[float | None] = [getattr(line, field) for line in lines]
    return [None if value is None else factor * value for value in values]


def _say(series: Mapping[str, tuple[Sequence[float], Sequence[float | None]]]) -> list[str]:
    told = []
    for label, (_, values) in series.items():
        known = [value for value in values if value is not None]
        told.append(f"{label}: from {known[0]:.3g} to {known[-1]:.3g}")
    return told

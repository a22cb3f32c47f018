"""The files of a report, made from the outcomes alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from cdul_edge.page.charts import to_inline_svg, to_svg
from cdul_edge.page.page import Page
from cdul_edge.page.page import render as render_page
from cdul_edge.study.outcome import Failed, Finished, Outcome
from cdul_edge.study.report.charts import Curves, describe_spreads, plot_curves, plot_spreads
from cdul_edge.study.report.claims import Finding, check_claims
from cdul_edge.study.report.summary import Summary, summarize
from cdul_edge.study.report.tables import (
    Table,
    claims_tables,
    classes_to_csv,
    failures,
    render,
    study_tables,
    tabulate_classes,
    tabulate_study,
)
from cdul_edge.study.variants import BASELINE, DEFAULT_STRATEGY, NOTHING_OBSERVED
from cdul_edge.version import __version__
from cdul_edge_runtime.host.files import atomic_write, write_json

_UNIT = "mAP, % (mean, deviation and every seed)"


@dataclass(frozen=True)
class Chart:
    """A chart, and what it shows for those who cannot see it."""

    title: str
    description: str
    figure: Figure


@dataclass(frozen=True)
class Report:
    """A study's outcomes, and what follows from them."""

    settings: Mapping[str, object]
    outcomes: Sequence[Outcome]
    summaries: Sequence[Summary]
    findings: Sequence[Finding]

    @property
    def table(self) -> str:
        """Every table, as Markdown."""
        return tabulate_study(self.summaries, self.findings)

    @property
    def failures(self) -> int:
        """Cells that could not be run."""
        return sum(isinstance(outcome, Failed) for outcome in self.outcomes)

    def to_dict(self) -> dict[str, object]:
        """Plain values, every cell included."""
        return {
            "program": "cdul-edge",
            "version": __version__,
            "settings": dict(self.settings),
            "rows": [summary.to_dict() for summary in self.summaries],
            "claims": [finding.to_dict() for finding in self.findings],
            "cells": [outcome.to_dict() for outcome in self.outcomes],
        }

    def write(self, folder: Path) -> list[Path]:
        """Write results.json, the page, the tables and the charts; returns the files."""
        charts, classes = self._charts(), tabulate_classes(self.summaries)
        texts = {
            "report.html": self._to_page(charts, classes),
            "table.md": f"# Study\n\n{self.table}",
            "per_class.md": f"# {classes.title}\n\n{render(classes.headings, classes.rows)}",
            "per_class.csv": classes_to_csv(self.summaries),
            **{f"{name}.svg": to_svg(chart.figure) for name, chart in charts.items()},
        }
        write_json(folder / "results.json", self.to_dict())
        for name, text in texts.items():
            with atomic_write(folder / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
        return [folder / name for name in ("results.json", *texts)]

    def _charts(self) -> dict[str, Chart]:
        charts = {}
        methods = {
            one.row[1]: one.values["heldout_map"]
            for one in self.summaries
            if one.row[::2] == (DEFAULT_STRATEGY, NOTHING_OBSERVED) and one.values["heldout_map"]
        }
        if methods:
            title = "Training methods: held-out mAP"
            figure = plot_spreads(title, _UNIT, methods, BASELINE)
            charts["methods"] = Chart(title, describe_spreads(methods), figure)
        strategies = {
            one.row[0]: one.values["labels_first_map"]
            for one in self.summaries
            if one.values["labels_first_map"]
        }
        if strategies:
            title = "Labeling strategies: mAP of the pseudo-labels"
            figure = plot_spreads(title, _UNIT, strategies, DEFAULT_STRATEGY)
            charts["strategies"] = Chart(title, describe_spreads(strategies), figure)
        curves = self._curves()
        if curves:
            title = "Learning curves"
            figure = plot_curves(title, curves, BASELINE)
            charts["curves"] = Chart(title, "Held-out mAP by epoch of each method.", figure)
        return charts

    def _to_page(self, charts: Mapping[str, Chart], classes: Table) -> str:
        context = {
            "version": __version__,
            "settings": [
                (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
                for name, value in self.settings.items()
            ],
            "tables": study_tables(self.summaries),
            "claims": claims_tables(self.findings),
            # Down the page there is room for any number of classes.
            "classes": classes.transpose("class"),
            "charts": [
                (
                    one.title,
                    to_inline_svg(
                        one.figure, key=name, title=one.title, description=one.description
                    ),
                )
                for name, one in charts.items()
            ],
            "failed": failures(self.summaries),
            "cells": len(self.outcomes),
        }
        return render_page(Page("study/report.html", "Study"), context)

    def _curves(self) -> dict[str, Curves]:
        found: dict[str, list[Finished]] = {}
        for outcome in self.outcomes:
            cell = outcome.cell
            here = (cell.strategy, cell.observed) == (DEFAULT_STRATEGY, NOTHING_OBSERVED)
            if here and isinstance(outcome, Finished) and _is_whole(outcome.curve):
                found.setdefault(cell.method, []).append(outcome)
        return {
            name: Curves(
                [_defined(one.curve) for one in many], [_defined(one.labels_curve) for one in many]
            )
            for name, many in found.items()
        }


def make_report(settings: Mapping[str, object], outcomes: Sequence[Outcome]) -> Report:
    """Summarize outcomes, and hold the published claims against them."""
    summaries = summarize(outcomes)
    return Report(settings, outcomes, summaries, check_claims(summaries))


def _is_whole(curve: Sequence[float | None]) -> bool:
    return bool(curve) and None not in curve


def _defined(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]

"""A study as tables: Markdown whose columns line up, so that it reads as plain text too."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from cdul_edge.study.outcome import Measure
from cdul_edge.study.report.claims import Finding
from cdul_edge.study.report.summary import Spread, Summary
from cdul_edge.study.variants import BASELINE, DEFAULT_STRATEGY, NOTHING_OBSERVED

Rows = Sequence[Sequence[str]]

# Measure to its heading, in the order of the columns.
_COLUMNS: dict[Measure, str] = {
    "heldout_map": "held-out mAP",
    "heldout_cf1": "CF1",
    "heldout_of1": "OF1",
    "heldout_macro_f1": "macro F1",
    "heldout_ece": "ECE",
    "labels_first_map": "labels before",
    "labels_last_map": "labels after",
    "seconds": "s",
}
_GAINS = (f"over {BASELINE}", "by seed")


def render(headings: Sequence[str], rows: Rows) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]

    def line(cells: Sequence[str]) -> str:
        fitted = [cells[0].ljust(widths[0])]
        fitted += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return f"| {' | '.join(fitted)} |"

    rules = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(headings), line(rules), *map(line, rows)]) + "\n"


@dataclass(frozen=True)
class Table:
    """A table of a study; every row has as many cells as there are headings."""

    title: str
    headings: Sequence[str]
    rows: Rows

    def transpose(self, heading: str) -> Table:
        """A row for every column but the first, whose heading becomes `heading`."""
        columns = list(zip(self.headings, *self.rows, strict=True))
        return Table(self.title, [heading, *columns[0][1:]], columns[1:])


def tabulate_study(summaries: Sequence[Summary], findings: Sequence[Finding]) -> str:
    """Every table of a study as Markdown, each under its heading, and what failed."""
    tables = [*study_tables(summaries), *claims_tables(findings)]
    parts = [f"## {one.title}\n\n{render(one.headings, one.rows)}" for one in tables]
    failed = [f"- {name}: {reason}\n" for name, reason in failures(summaries)]
    if failed:
        parts.append(f"## Failed\n\n{''.join(failed)}")
    return "\n".join(parts)


def failures(summaries: Sequence[Summary]) -> list[tuple[str, str]]:
    """Row and reason of every cell that could not be run, each reason of a row once."""
    return [(", ".join(one.row), reason) for one in summaries for reason in one.failures]


def claims_tables(findings: Sequence[Finding]) -> list[Table]:
    """What was found of the published claims: a table, or none where no claim was tried."""
    run = [finding for finding in findings if finding.gains]
    return [_tabulate_claims(run)] if run else []


def study_tables(summaries: Sequence[Summary]) -> list[Table]:
    """The tables of methods, strategies and observed labels that there is something in."""
    plain = [one for one in summaries if one.row[2] == NOTHING_OBSERVED]
    methods = _rows_of(plain, 1)
    strategies = _rows_of(plain, 0)
    tables = []
    if len(methods) > 1:
        tables.append(_tabulate(f"Methods, on {methods[0].row[0]} labels", methods, 1))
    if len(strategies) > 1:
        tables.append(_tabulate(f"Strategies, method {strategies[0].row[1]}", strategies, 0))
    levels = list(dict.fromkeys(one.row[2] for one in summaries))
    if len(levels) > 1 or NOTHING_OBSERVED not in levels:
        tables.append(_tabulate_levels(summaries, levels))
    shown = {id(one) for one in (*methods, *strategies)}
    others = [one for one in plain if id(one) not in shown]
    if others or not tables:
        tables.append(_tabulate_all(plain))
    return tables


def tabulate_classes(summaries: Sequence[Summary]) -> Table:
    """Held-out average precision by class, mean over the seeds; the best of a class has stars."""
    done = [one for one in summaries if one.ap]
    names = list(dict.fromkeys(name for one in done for name in one.ap))
    means = [
        {name: Spread.of(list(seeds.values())).mean for name, seeds in one.ap.items() if seeds}
        for one in done
    ]
    best = {name: max((row[name] for row in means if name in row), default=None) for name in names}
    rows = []
    for one, row in zip(done, means, strict=True):
        cells = [", ".join(one.row)]
        for name in names:
            text = f"{row[name]:.1f}" if name in row else "-"
            cells.append(f"**{text}**" if name in row and row[name] == best[name] else text)
        rows.append(cells)
    title = "Average precision by class"
    return Table(title, ["strategy, method, observed", *names], rows)


def classes_to_csv(summaries: Sequence[Summary]) -> str:
    """One line per strategy, method, level, class and seed."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["strategy", "method", "observed", "class", "seed", "ap"])
    for one in summaries:
        for name, seeds in one.ap.items():
            rows.writerows([*one.row, name, seed, f"{value:.4f}"] for seed, value in seeds.items())
    return text.getvalue()


def _rows_of(plain: Sequence[Summary], varied: int) -> list[Summary]:
    """Rows that differ in `varied` only (0 strategy, 1 method) from the default and baseline."""
    fixed = 1 - varied
    wanted = (DEFAULT_STRATEGY, BASELINE)[fixed]
    present = [one.row[fixed] for one in plain]
    chosen = wanted if wanted in present else next(iter(present), None)
    return [one for one in plain if one.row[fixed] == chosen]


def _tabulate(title: str, rows: Sequence[Summary], varied: int) -> Table:
    gains = varied == 1 and any(one.gains for one in rows)
    heading = ("strategy", "method")[varied]
    headings = [heading, *_COLUMNS.values(), *(_GAINS if gains else [])]
    return Table(title, headings, [[one.row[varied], *_cells(one, gains)] for one in rows])


def _tabulate_all(rows: Sequence[Summary]) -> Table:
    headings = ["strategy, method", *_COLUMNS.values(), *_GAINS]
    cells = [[", ".join(one.row[:2]), *_cells(one, True)] for one in rows]
    return Table("Every pair", headings, cells)


def _cells(one: Summary, gains: bool) -> list[str]:
    cells = [_show(one.spread(measure)) for measure in _COLUMNS]
    return cells + ([_mean_of(one.gains), _signed(one.gains)] if gains else [])


def _tabulate_levels(summaries: Sequence[Summary], levels: Sequence[str]) -> Table:
    found = {one.row: one for one in summaries}
    pairs = dict.fromkeys(one.row[:2] for one in summaries if one.row[2] != NOTHING_OBSERVED)
    rows = [
        [
            ", ".join(pair) if pair[0] != DEFAULT_STRATEGY else pair[1],
            *(_show(found[key].spread("heldout_map")) if (key := (*pair, level)) in found else "-"
              for level in levels),
        ]
        for pair in pairs
    ]  # fmt: skip
    return Table("Observed labels, held-out mAP", ["method", *levels], rows)


def _tabulate_claims(findings: Sequence[Finding]) -> Table:
    rows = []
    for finding in findings:
        claim = finding.claim
        rows.append(
            [
                claim.text,
                f"{claim.better} - {claim.worse}",
                "labels" if claim.measure.startswith("labels") else "held-out",
                _signed(finding.gains),
                _mean_of(finding.gains),
                finding.verdict,
            ]
        )
    headings = ["claim", "compared", "mAP of", "by seed", "mean ± deviation", "verdict"]
    return Table("Published claims", headings, rows)


def _show(spread: Spread | None) -> str:
    return "-" if spread is None else str(spread)


def _mean_of(gains: dict[int, float]) -> str:
    return Spread.of(list(gains.values())).signed() if gains else "-"


def _signed(gains: dict[int, float]) -> str:
    return " ".join(f"{value:+.2f}" for value in gains.values()) or "-"

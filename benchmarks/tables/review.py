"""What answers bring, chosen by a review or at random: means over seeds, and each seed."""

from __future__ import annotations

from statistics import fmean

from benchmarks.measured_rows.figures import Figure
from benchmarks.measured_rows.result_file import MeasuredRow
from benchmarks.review.rows import BENCHMARK
from benchmarks.tables.figure_rows import read_figures
from benchmarks.tables.markdown import section, table

TRAINED, LABELED = ("photographs", "heads", "drawn"), ("labels", "drawn-labels")
TOLD = {"observed": "`train --observed`", "train": "`train --observed --correct-labels`"}
WAYS_TO_USE = {
    "observed": "`train --observed`",
    "train": "and `--correct-labels`",
    "label": "`label --observed`",
    "both": "`label` and `train`",
}
WAYS = {
    "none": "no answers",
    **{
        f"{choice}-{way}": f"200 {choice}, {told}"
        for way, told in WAYS_TO_USE.items()
        for choice in ("useful", "random")
    },
}
COUNTS = {
    "none": "no answers",
    **{
        f"{choice}-{count}": f"{count:,} {choice}"
        for count in (50, 200, 1000)
        for choice in ("useful", "random")
    },
}


def draw_review() -> tuple[str, ...]:
    """Networks first, then labels; nothing where nothing was measured."""
    kept = read_figures(BENCHMARK)
    rows = {name: row for name, row in kept.rows.items() if not row.not_measured}
    if not rows:
        return ()
    parts = [
        f"`{BENCHMARK.command}`: means over three seeds, each seed in brackets. Answers come from "
        "truth."
    ]
    learned = [line for name in TRAINED if name in rows for line in _learned(rows[name])]
    if learned:
        parts.append(table(("", "answers", "held-out mAP", "held-out macro F1"), learned))
    labeled = [line for name in LABELED if name in rows for line in _labeled(rows[name])]
    if labeled:
        parts.append(table(("", "answers", "mAP", "macro F1", "error of shares, points"), labeled))
    parts += [
        verdict
        for name in TRAINED
        for way, told in TOLD.items()
        if name in rows and (verdict := _verdict(rows[name], way, told))
    ]
    return (section("Useful answers against random ones", *parts, *kept.drawn_notes()),)


def _learned(row: MeasuredRow[Figure]) -> list[tuple[str, ...]]:
    return _lines(row, WAYS, ("map", "f1"))


def _labeled(row: MeasuredRow[Figure]) -> list[tuple[str, ...]]:
    return _lines(row, COUNTS, ("map", "f1", "off"))


def _lines(
    row: MeasuredRow[Figure], names: dict[str, str], kinds: tuple[str, ...]
) -> list[tuple[str, ...]]:
    lines = []
    for name, told in names.items():
        figures = [found for kind in kinds if (found := row.find(f"{name}-{kind}")) is not None]
        if len(figures) == len(kinds):
            lines.append((row.title, told, *map(_shown, figures)))
    return lines


def _shown(figure: Figure) -> str:
    each = ", ".join(f"{value:.1f}" for value in figure.values)
    return f"{fmean(figure.values):.1f} ({each})"


def _verdict(row: MeasuredRow[Figure], way: str, told: str) -> str:
    """Whether useful answers win by the point that is wanted, in a way of using them."""
    gain = row.find(f"{way}-gain")
    if gain is None or gain.bar is None:
        return ""
    mean = fmean(gain.values)
    met = "they win by the" if gain.bar.met(mean) else "they do not win by the"
    return (
        f"{row.title}: useful answers less random ones, {told}, {mean:+.1f} "
        f"points of macro F1: {met} {gain.bar.limit:g} that is wanted."
    )

"""Tables of measured rows whose findings are figures."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.measured_rows.benchmark import Benchmark
from benchmarks.measured_rows.figures import Figure
from benchmarks.measured_rows.result_file import MeasuredRow, RowsFile
from benchmarks.tables import markdown
from benchmarks.tables.markdown import section, table


def read_figures(benchmark: Benchmark[Figure]) -> RowsFile[Figure]:
    """What was measured; no rows where it never was."""
    return benchmark.read(markdown.RESULTS / benchmark.file.name)


def draw_chosen(
    benchmark: Benchmark[Figure], chosen: Iterable[tuple[str, str, str]], told: str
) -> str:
    """For a guide; empty where none of the figures was measured.

    Args:
        benchmark: whose file is read.
        chosen: row, figure, and what it is.
        told: what stands above.
    """
    kept = read_figures(benchmark)
    found = [
        (what, figure) for row, key, what in chosen if (figure := kept.find(row, key)) is not None
    ]
    if not found:
        return ""
    rows = [(what, shown(figure), _wanted(figure)) for what, figure in found]
    return f"{told}\n\n{table(('', 'measured', 'wanted'), rows)}"


def draw_every(benchmark: Benchmark[Figure], title: str, told: str) -> tuple[str, ...]:
    """Every row, with what is wanted."""
    kept = read_figures(benchmark)
    if not kept.rows:
        return ()
    rows = [line for row in kept.rows.values() for line in _lines(row)]
    heads = ("what", "median", "wanted", "met", "`--only`")
    return (section(title, told, table(heads, rows), *kept.drawn_notes()),)


def _lines(row: MeasuredRow[Figure]) -> list[tuple[str, ...]]:
    name = f"`{row.name}`"
    if row.not_measured:
        return [(row.title, "", "", row.not_measured, name)]
    return [
        (f"{row.title}: {one.what}", shown(one), _wanted(one), _verdict(one), name)
        for one in row.findings
    ]


def shown(one: Figure) -> str:
    """Three digits, and never an exponent."""
    value = one.median
    number = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return _with_unit(number, one.unit)


def _wanted(one: Figure) -> str:
    if one.bar is None:
        return ""
    return f"{one.bar.sign} {_with_unit(f'{one.bar.limit:g}', one.unit)}"


def _with_unit(number: str, unit: str) -> str:
    return f"{number}{unit}" if unit == "x" else f"{number} {unit}".strip()


def _verdict(one: Figure) -> str:
    return {True: "yes", False: "no", None: "stated"}[one.met]

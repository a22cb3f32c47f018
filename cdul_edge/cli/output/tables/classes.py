"""Tables with a row for each class, of which very long ones show their two ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.table import Table


# Beyond so many classes a table of all is no overview: only its two ends are shown.
MOST_CLASSES = 60
ENDS = 15


class Interval(Protocol):
    """A figure with its interval, in percent; NaN is not known."""

    @property
    def value(self) -> float:
        """The figure."""
        ...

    @property
    def low(self) -> float:
        """Where its interval begins."""
        ...

    @property
    def high(self) -> float:
        """Where it ends."""
        ...


class Judged(Protocol):
    """A class that is ranked by its F1."""

    @property
    def f1(self) -> Interval:
        """F1 at the class's threshold."""
        ...


Row = TypeVar("Row", bound=Judged)


def draw_classes(
    title: str,
    headings: Sequence[str],
    rows: Mapping[str, Row],
    cells: Callable[[Row], Sequence[str]],
) -> Table:
    """A row for each class, in their order; of very many, those of the best and the worst F1.

    Args:
        headings: of the class, then of its cells.
        rows: by class.
        cells: what stands behind the name.
    """
    from rich.table import Table
    from rich.text import Text

    # without lines, six columns of figures and their intervals fit 80 characters
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")

    def add(some: Sequence[tuple[str, Row]]) -> None:
        for name, one in some:
            table.add_row(Text(name), *cells(one))

    if len(rows) <= MOST_CLASSES:
        add(list(rows.items()))
        return table
    ranked = sorted(rows.items(), key=lambda row: _rank(row[1]))
    add(ranked[:ENDS])
    hidden = f"... {len(rows) - 2 * ENDS} more classes, all in --json ..."
    table.add_row(hidden, *[""] * (len(headings) - 1), style="dim")
    add(ranked[-ENDS:])
    return table


def show_interval(figure: Interval, digits: int) -> str:
    """Such as `81.5 (78-85)`, the interval with so many digits."""
    if math.isnan(figure.value):
        return "-"
    return f"{figure.value:.1f} ({figure.low:.{digits}f}-{figure.high:.{digits}f})"


def _rank(one: Judged) -> float:
    """Best F1 first, unknown ones last."""
    return math.inf if math.isnan(one.f1.value) else -one.f1.value

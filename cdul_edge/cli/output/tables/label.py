"""What `cdul-edge label` shows at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from cdul_edge.labelling import LabelResult

# Of a thousand classes nobody reads a table; the JSON summary has them all.
SHOWN_CLASSES = 50
SHOWN_SKIPPED = 10


def show_result(result: LabelResult, console: Console) -> None:
    """A row per class, the pictures that could not be read, and a line of figures."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Pseudo-labels", title_justify="left")
    table.add_column("class")
    table.add_column("mean score", justify="right")
    table.add_column("threshold", justify="right")
    table.add_column("pictures above", justify="right")
    table.add_column("examples", overflow="fold")
    for row in result.classes[:SHOWN_CLASSES]:
        threshold = "-" if row.threshold is None else f"{row.threshold:.3f}"
        examples = ", ".join(repr(path)[1:-1] for path in row.examples)
        cells = (row.name, f"{row.mean_score:.4f}", threshold, str(row.above_threshold), examples)
        table.add_row(*map(Text, cells))
    console.print(table)
    if len(result.classes) > SHOWN_CLASSES:
        more = len(result.classes) - SHOWN_CLASSES
        console.print(f"… and {more} more classes; --json writes all of them")
    for picture in result.skipped[:SHOWN_SKIPPED]:
        console.print(f"skipped {picture.path!r}: {picture.reason}")
    more = result.unreadable - min(len(result.skipped), SHOWN_SKIPPED)
    if more:
        console.print(f"… and {more} more; the store has all of them")
    if result.unseen:
        named = ", ".join(result.unseen[:SHOWN_CLASSES])
        more = len(result.unseen) - SHOWN_CLASSES
        console.print(
            f"warning: no picture shows: {named}{f' and {more} more' if more > 0 else ''} "
            "(no threshold)",
            style="yellow",
        )
    speed = result.pictures_per_s
    rate = f" ({result.scored} through CLIP, {speed:.1f} pictures/s)" if speed else ""
    console.print(
        f"{result.labelled} pictures labeled, {result.unreadable} skipped, in "
        f"{result.seconds:.1f} s{rate}: {result.out}"
    )

"""What runs a bundle here, and what does not, in the same words in every command."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cdul_edge.cli.output.result_console import message_console

if TYPE_CHECKING:
    from rich.console import Console

    from cdul_edge_runtime.bench.combinations import Unavailable
    from cdul_edge_runtime.classifier import Classifier


def say_selection(classifier: Classifier) -> None:
    """One line on stderr: what runs, and why."""
    if classifier.selection is not None:
        message_console().print(f"runs {classifier.selection}", style="dim")


def show_precision(name: str) -> str:
    """What stands in a table for the precision of a row: "fp32 as bf16" for bf16."""
    from cdul_edge_runtime.bundle.manifest import Precision

    return next((one.shown for one in Precision if one.value == name), name)


def say_unavailable(unavailable: Iterable[Unavailable], console: Console) -> None:
    """A line a reason: what "all" did not find here."""
    from cdul_edge_runtime.bench.combinations import list_reasons

    for reason in list_reasons(unavailable):
        console.print(f"not here: {reason}", style="dim")

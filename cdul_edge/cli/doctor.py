"""`cdul-edge doctor`: what this machine has, and what will and won't work on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from cdul_edge.cli.output.result_console import result_console
from cdul_edge.cli.output.summary import write_summary

JsonOption = Annotated[
    Path | None,
    typer.Option(
        help="Write the facts as JSON to this file, in place of a table; - is stdout.",
        show_default="a table",
    ),
]


def doctor(json: JsonOption = None) -> None:
    """Show Python, CPU, GPU and packages, and what will and won't work here."""
    from cdul_edge.front.machine_report import examine_machine

    facts = examine_machine().to_dict()
    if json is None:
        _show(facts)
    else:
        write_summary(json, facts)


def _show(facts: Mapping[str, object]) -> None:
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for section, content in facts.items():
        pairs = content.items() if isinstance(content, dict) else [("", content)]
        table.add_row(section.replace("_", " "), "")
        for key, value in pairs:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            table.add_row(f"  {key}", text)
    result_console().print(table)

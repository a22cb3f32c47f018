"""The consoles of the command line: results on stdout, everything else on stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


# What a pipe or a file gets is never wrapped, so that `grep` finds whole paths and sentences.
UNWRAPPED = 10_000
READABLE = 80  # for lists that fill their lines


def result_console(*, to_stderr: bool = False) -> Console:
    """A console as wide as the terminal, and without a limit where there is none.

    Brackets in class names and paths are no markup; styles are given beside the text. Lines are
    not wrapped, tables fit the terminal.

    Args:
        to_stderr: Draw on stderr, because stdout carries JSON.
    """
    # here and not above: `--version` and the import of a command draw nothing
    from cdul_edge_runtime.host.lasting_console import LastingConsole

    console = LastingConsole(
        stderr=to_stderr, soft_wrap=True, markup=False, highlight=False, emoji=False
    )
    if not console.is_terminal:
        console.width = UNWRAPPED
    return console


def message_console() -> Console:
    """The same on stderr, for what is no result: warnings, errors, and what a command does."""
    return result_console(to_stderr=True)

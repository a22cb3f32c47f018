"""The console that a command's result is drawn on."""

from __future__ import annotations

from rich.console import Console

# What a pipe or a file gets is never wrapped, so that `grep` finds whole paths and sentences.
UNWRAPPED = 10_000
READABLE = 80  # for lists that fill their lines


def result_console(*, to_stderr: bool = False) -> Console:
    """A console as wide as the terminal, and without a limit where there is none.

    Brackets in class names and paths are no markup; styles are given beside the text.

    Args:
        to_stderr: Draw on stderr, because stdout carries JSON.
    """
    console = Console(stderr=to_stderr, highlight=False, markup=False)
    if not console.file.isatty():
        console.width = UNWRAPPED
    return console

"""A console that outlives its reader, in a module of its own: drawing is imported when needed."""

from __future__ import annotations

import os

from rich.console import Console


class LastingConsole(Console):
    """Goes on unheard where its reader is gone: in `cdul-edge label … 2>&1 | head` work goes on."""

    def on_broken_pipe(self) -> None:
        """Send the rest to the null device; rich would end the process."""
        with open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), self.file.fileno())

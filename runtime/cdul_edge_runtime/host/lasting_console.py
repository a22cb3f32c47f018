"""A console that outlives its reader, in a module of its own: drawing is imported when needed."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from rich.console import Console

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class LastingConsole(Console):
    """Goes on unheard where its reader is gone: in `cdul-edge label … 2>&1 | head` work goes on.

    So does what is said on stderr where that is a file on a full disk; it is heard again when there
    is room. Results on stdout are nothing to go on without.
    """

    def on_broken_pipe(self) -> None:
        """Send the rest to the null device; rich would end the process."""
        with open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), self.file.fileno())

    def _check_buffer(self) -> None:
        try:
            super()._check_buffer()
        except OSError as error:
            if not self.stderr or error.errno not in _FULL:
                raise
            del self._buffer[:]
            self._drop_unwritten()

    def _drop_unwritten(self) -> None:
        """Empty the file's buffer, which would fail again at the next line and at the end."""
        number = self.file.fileno()
        kept = os.dup(number)
        try:
            self.on_broken_pipe()
            with suppress(OSError):
                self.file.flush()
        finally:
            os.dup2(kept, number)
            os.close(kept)

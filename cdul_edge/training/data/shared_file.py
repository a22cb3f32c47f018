"""Files without a name, which the processes of a machine map: they are gone with the last of them.

However a run ends, nothing is left to be removed: neither memory nor disk.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import IO


def open_nameless(*, in_memory: bool, folder: Path) -> tuple[IO[bytes], Path]:
    """A new file to write into, and where processes of this user and machine find it.

    They find it until it is closed; those that have mapped it by then keep it.

    Args:
        in_memory: keep it there, where the system can, which is Linux.
        folder: where it lies otherwise; where the system has no files without a name, under one
            that goes when it is closed.
    """
    if sys.platform == "linux" and in_memory:
        memory = os.fdopen(os.memfd_create("cdul-edge pictures"), "w+b")
        return memory, _place(memory)
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "linux":
        nameless = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        return nameless, _place(nameless)
    named = tempfile.NamedTemporaryFile(dir=folder, prefix="cdul-edge-")  # noqa: SIM115
    return named, Path(named.name)


def _place(file: IO[bytes]) -> Path:
    return Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")

"""NPZ files as arrays; what is damaged in any way is one error."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.memory_errors import is_made_up
from cdul_edge_runtime.host.reading import refuse_special

# What zipfile, zlib and numpy raise on damaged bytes; MemoryError for a shape that never was.
DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    SyntaxError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    OverflowError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_npz(
    file: Path, needed: Sequence[str] = (), *, wanted: Callable[[str], bool] | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Read arrays of an NPZ file into memory; nothing is unpickled.

    Args:
        file: the file.
        needed: arrays that must be there, and the only ones to be read; empty reads all.
        wanted: which of the others to read, by name.

    Raises:
        CdulEdgeError: it cannot be read, or an array is missing.
    """
    refuse_special(file)
    try:
        # opened here, because numpy leaves open what turns out to be no archive
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            there = list(arrays.files)
            read = wanted or (lambda name: not needed or name in needed)
            found = {name: arrays[name] for name in there if read(name)}
    except FileNotFoundError:
        raise CdulEdgeError(f"{file} does not exist: check the path") from None
    except DAMAGE as error:
        if isinstance(error, MemoryError) and not is_made_up(error, file.stat().st_size):
            raise
        raise CdulEdgeError(
            f"{file} is not a readable NPZ file ({error}): copy it again"
        ) from error
    missing = [name for name in needed if name not in there]
    if missing:
        raise CdulEdgeError(
            f"{file} has no array {', '.join(missing)}: it has {', '.join(there) or 'none'}"
        )
    return found

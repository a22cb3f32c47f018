"""Shared libraries that a full disk or a broken copy cut off: loading one ends the process."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

_HEADER = struct.Struct("<4sBB26xQ14xHH4x")  # of a 64-bit ELF file, up to its program headers
_PROGRAM = struct.Struct("<I4xQ16xQ16x")
_64_BIT, _LITTLE_ENDIAN = 2, 1
_LOADED = 1  # a part of the file that the system's loader maps into memory


def is_truncated(path: Path) -> bool:
    """Whether a library ends before the last part that is loaded: touching that is a bus error.

    Only its headers are read. What is no 64-bit ELF file is left to the loader's own words, and so
    is one whose headers are gone.
    Source: "Executable and Linkable Format", figures 1-3 and 2-1; elf(5).
    """
    try:
        with path.open("rb") as file:
            magic, bits, order, start, size, count = _HEADER.unpack(file.read(_HEADER.size))
            if (magic, bits, order, size) != (b"\x7fELF", _64_BIT, _LITTLE_ENDIAN, _PROGRAM.size):
                return False
            file.seek(start)
            table = file.read(size * count)
        parts = list(_PROGRAM.iter_unpack(table))
        return any(
            kind == _LOADED and offset + length > path.stat().st_size
            for kind, offset, length in parts
        )
    except (OSError, struct.error):
        return False


def truncated_library(module: str) -> Path | None:
    """A library of a module that is not imported yet, or of the wheels that go with it.

    NVIDIA's keep theirs in `<module>_libs` and `<module>_bindings` beside `<module>`.
    """
    if module in sys.modules:
        return None
    names = (module, f"{module}_bindings", f"{module}_libs")
    for spec in filter(None, map(find_spec, names)):
        for folder in spec.submodule_search_locations or ():
            for path in sorted(_libraries(folder)):
                if is_truncated(path):
                    return path
    return None


def _libraries(folder: str) -> Iterator[Path]:
    """In a package and in the folders right below it; a search of them all takes a while."""
    places = [folder]
    for place in places:
        with suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                if ".so" in entry.name:
                    yield Path(entry.path)
                elif place == folder and entry.is_dir():
                    places.append(entry.path)

"""Walking through a folder of pictures, past what only looks like pictures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from pathlib import Path, PurePosixPath

from cdul_edge_runtime.errors import CdulEdgeError

SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .pjpeg .pjp .mpo .png .apng .webp .bmp .dib .gif .tif .tiff .ppm .pgm "
    ".pbm .pnm .tga .jp2 .j2k .jpx .avif .avifs .heic .heics .heif .heifs .hif".split()
)
# What file managers, archives and editors leave beside pictures; copies, most of it thumbnails.
LITTER = frozenset(
    {"@eadir", "__macosx", "$recycle.bin", "system volume information", "lost+found", "#recycle"}
    | {"@recycle", "@recently-snapshot", "#snapshot", "thumbs.db", "ehthumbs.db", "desktop.ini"}
)


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or what another program left."""
    return name.startswith(".") or name.casefold() in LITTER


def require_utf8(path: str) -> str:
    """Give `path` back, or raise `CdulEdgeError` for a name that JSON and Parquet cannot hold."""
    if not is_utf8(path):
        raise CdulEdgeError(f"the file name {path!r} is not UTF-8: rename it")
    return path


@dataclass
class Walk:
    """One walk through a folder: what it found, and what it passed over.

    What it found comes by iteration, sorted. The names of a folder are held as one text, which
    takes a byte more than they have, where a string of its own takes 49 more.
    """

    folder: Path
    count: int = 0
    _names: dict[str, bytes] = field(default_factory=dict)
    _subfolders: dict[str, list[str]] = field(default_factory=dict)
    in_litter: list[str] = field(default_factory=list)
    not_utf8: list[str] = field(default_factory=list)
    other_endings: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        visited: set[tuple[int, int]] = set()
        for directory, subfolders, files in os.walk(self.folder, onerror=_refuse, followlinks=True):
            status = Path(directory).stat()
            if (status.st_dev, status.st_ino) in visited:
                subfolders.clear()  # a symbolic link leads back here: the loop ends
                continue
            visited.add((status.st_dev, status.st_ino))
            here = PurePosixPath(Path(directory).relative_to(self.folder).as_posix())
            for name in filter(is_litter, subfolders):
                self._look_into_litter(here / name)
            subfolders[:] = sorted(name for name in subfolders if not is_litter(name))
            prefix = "" if str(here) == "." else f"{here}/"
            taken = sorted(name for name in files if self._takes(name, prefix))
            self._names[prefix] = "/".join(taken).encode()
            self._subfolders[prefix] = subfolders
            self.count += len(taken)

    def __iter__(self) -> Iterator[str]:
        return self._below("")

    def _below(self, prefix: str) -> Iterator[str]:
        """Paths in the order in which they sort as whole texts: "a-b" comes before "a/b"."""
        text = self._names.get(prefix, b"").decode()  # none where a link led back
        folders = sorted(f"{name}/" for name in self._subfolders.get(prefix, ()))
        for name in merge(text.split("/") if text else (), folders):
            if name.endswith("/"):
                yield from self._below(prefix + name)
            else:
                yield prefix + name

    def _takes(self, name: str, prefix: str) -> bool:
        suffix = suffix_of(name)
        if is_litter(name):
            if suffix in SUFFIXES:
                self.in_litter.append(prefix + name)
        elif suffix and suffix not in SUFFIXES:
            self.other_endings[suffix] += 1
        elif is_utf8(prefix + name):
            return True
        else:
            self.not_utf8.append(prefix + name)
        return False

    def _look_into_litter(self, folder: PurePosixPath) -> None:
        """Count what looks like a picture; what cannot be listed does not matter here."""
        for directory, _, files in os.walk(self.folder / folder):
            here = Path(directory).relative_to(self.folder)
            self.in_litter += [str(here / name) for name in files if suffix_of(name) in SUFFIXES]

    @property
    def left_out(self) -> str:
        """How many files are none of the pictures, and why; empty where there are none."""
        parts = []
        if self.in_litter:
            parts.append(
                f"{len(self.in_litter)} hidden or left by other programs "
                f"(such as {self.in_litter[0]!r})"
            )
        if self.other_endings:
            endings = ", ".join(repr(ending) for ending, _ in self.other_endings.most_common(3))
            parts.append(f"{self.other_endings.total()} that do not end as pictures do ({endings})")
        if self.not_utf8:
            parts.append(f"{len(self.not_utf8)} whose name is not UTF-8 ({self.not_utf8[0]!r})")
        return f"left out {' and '.join(parts)}" if parts else ""


def suffix_of(name: str) -> str:
    """Like `Path(name).suffix.lower()`, in a tenth of its time."""
    head, dot, ending = name.rpartition(".")
    return f".{ending.lower()}" if dot and head.strip(".") and ending else ""


def is_utf8(path: str) -> bool:
    """Whether the path can be written as UTF-8."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _refuse(error: OSError) -> None:
    """Without it, os.walk leaves out what it cannot enter without a word."""
    raise CdulEdgeError(
        f"{error.filename} cannot be listed ({error.strerror}): allow it, or move it elsewhere"
    ) from error

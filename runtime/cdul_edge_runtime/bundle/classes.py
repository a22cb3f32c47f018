"""The class list: its order is the column order of every (N, C) array in the project."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cdul_edge_runtime.errors import CdulEdgeError


def fold_class(name: str) -> str:
    """A class name as names are compared: "Dining-Table" and "dining_table" are one.

    Without case, spaces, hyphens, underscores and characters that nobody sees (zero-width spaces);
    accents match however they are composed.
    """
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)
    folded = "".join(c for c in name.casefold() if c not in " -_" and not c.isspace())
    if folded.isascii():
        return folded
    visible = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFC", visible)


@dataclass(frozen=True)
class ClassList:
    """At least two unique class names.

    Raises:
        CdulEdgeError: fewer than two names, an empty one, a duplicate, or two that differ only
            in case, or in how their accents are composed.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        faults = []
        if any(not name.strip() for name in self.names):
            faults.append("an empty name")
        if len(self.names) < 2:
            faults.append(f"{len(self.names)} class(es), expected at least 2")
        for folded, count in Counter(map(_fold_case, self.names)).items():
            if count > 1:
                same = [name for name in self.names if _fold_case(name) == folded]
                composed = {unicodedata.normalize("NFC", name) for name in same}
                kind = "twice" if len(composed) == 1 else "names that differ only in case"
                faults.append(f"{kind}: {', '.join(repr(name) for name in same)}")
        if faults:
            raise CdulEdgeError(f"the class list has {'; '.join(faults)}: name each class once")

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def index(self, name: str) -> int:
        """Column of the class called `name`, however its accents are composed.

        Raises:
            CdulEdgeError: there is no such class.
        """
        if name in self.names:
            return self.names.index(name)
        composed = [unicodedata.normalize("NFC", known) for known in self.names]
        try:
            return composed.index(unicodedata.normalize("NFC", name))
        except ValueError as error:
            raise CdulEdgeError(
                f"no class {name!r}: the classes are {name_some(self.names)}"
            ) from error


def name_some(names: Sequence[str], most: int = 20, between: str = ", ") -> str:
    """Names with commas between; beyond `most`, how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more


def own_spelling(name: str, classes: ClassList) -> str:
    """The class that `name` means with its accents composed in another way; else `name`."""
    if name.isascii() or name in classes.names:
        return name
    composed = unicodedata.normalize("NFC", name)
    same = (known for known in classes if unicodedata.normalize("NFC", known) == composed)
    return next(same, name)


def _fold_case(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())

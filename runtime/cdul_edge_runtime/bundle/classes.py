"""The class list: its order is the column order of every (N, C) array in the project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cdul_edge_runtime.errors import CdulEdgeError


@dataclass(frozen=True)
class ClassList:
    """At least two unique class names.

    Raises:
        CdulEdgeError: fewer than two names, an empty one, a duplicate, or two that differ only
            in case.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        faults = []
        if any(not name.strip() for name in self.names):
            faults.append("an empty name")
        if len(self.names) < 2:
            faults.append(f"{len(self.names)} class(es), expected at least 2")
        for folded, count in Counter(name.casefold() for name in self.names).items():
            if count > 1:
                same = [name for name in self.names if name.casefold() == folded]
                kind = "twice" if len(set(same)) == 1 else "names that differ only in case"
                faults.append(f"{kind}: {', '.join(repr(name) for name in same)}")
        if faults:
            raise CdulEdgeError(f"the class list has {'; '.join(faults)}: name each class once")

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def index(self, name: str) -> int:
        """Column of the class called `name`; raises `CdulEdgeError` for an unknown one."""
        if name not in self.names:
            raise CdulEdgeError(f"no class {name!r}: the classes are {', '.join(self.names)}")
        return self.names.index(name)


def name_some(names: Sequence[str], most: int = 20) -> str:
    """Names with commas between; beyond `most`, how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

"""Which column of one file is meant by a class of another."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

from cdul_edge_runtime.bundle.classes import ClassList, fold_class, name_some
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning

# What people put between several names in one field; spaces and hyphens occur in names, too.
_BETWEEN_NAMES = re.compile(r"[^\w\s\-]+|\t+")
_BETWEEN_WORDS = re.compile(r"[^\w]+|_+|\band\b")


def find_columns(
    known: Sequence[str],
    classes: ClassList,
    *,
    present_only: bool,
    whose: str = "the truth",
    stacklevel: int = 3,
) -> list[int]:
    """The column of `known` for each class, by its name or else its folded name.

    Args:
        known: names of the columns, no two of them equal when folded.
        classes: what is asked for.
        present_only: the file can name a class only where a picture shows it, so a class that it
            lacks is in no picture: said with a `CdulEdgeWarning`.
        whose: what the columns are those of, for messages.

    Returns:
        C columns; -1 for a class that no picture shows.

    Raises:
        CdulEdgeError: a class that is lacking, two classes that mean one column, or a known name
            that is several classes in one.
    """
    where = {fold_class(name): column for column, name in enumerate(known)}
    columns = [where.get(fold_class(name), -1) for name in classes]
    _refuse_shared(columns, known, classes, whose)
    missing = [name for name, column in zip(classes, columns, strict=True) if column < 0]
    asked = {fold_class(name) for name in classes}
    others = [name for name in known if fold_class(name) not in asked]
    if present_only:
        _refuse_joined(others, asked, whose)
    if missing and (not present_only or len(missing) == len(classes)):
        has = name_some(known) or "no classes at all"
        columns_needed = "a class that no picture shows needs a column of 0, an unknown one of -1"
        fix = columns_needed if len(missing) < len(classes) else "give the truth of these classes"
        raise CdulEdgeError(
            f"{whose} has no class {name_some([repr(name) for name in missing])}: it has {has}; "
            f"{fix}"
        )
    if missing:
        hint = f"; it names {name_some(others)}, which were not asked for" if others else ""
        warnings.warn(
            f"{whose} names {name_some(missing)} in no picture, so all count as absent{hint}",
            CdulEdgeWarning,
            stacklevel=stacklevel,
        )
    return columns


def _refuse_shared(
    columns: Sequence[int], known: Sequence[str], classes: ClassList, whose: str
) -> None:
    taken: dict[int, str] = {}
    for name, column in zip(classes, columns, strict=True):
        if column >= 0 and column in taken:
            raise CdulEdgeError(
                f"the classes {taken[column]!r} and {name!r} both mean {known[column]!r} of "
                f"{whose}: rename one of them"
            )
        taken[column] = name


def _refuse_joined(others: Sequence[str], asked: set[str], whose: str) -> None:
    """`fish/flower` or `["fish"` would be a class of its own, and fish be absent there."""
    for name in others:
        parts = [fold_class(part) for part in _BETWEEN_NAMES.split(name) if part.strip()]
        words = [fold_class(part) for part in _BETWEEN_WORDS.split(name) if part.strip()]
        joined = len(words) > 1 and asked.issuperset(words)
        if joined or (parts != [fold_class(name)] and not asked.isdisjoint(parts)):
            raise CdulEdgeError(
                f"{whose} names {name!r}, which seems to be several classes in one: join names "
                "with commas"
            )

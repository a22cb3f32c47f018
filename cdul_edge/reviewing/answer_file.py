"""What the CSV of answers can say, so that `train --observed` reads each one as it was meant.

One of two forms that `read_observed` knows is written. `image_path,label` with `dog` or `-dog` is
the plainer one; it cannot say a name that holds what separates names, or begins with a hyphen. Then
every class is a column, with 1, 0, or nothing below it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from cdul_edge.labels.sheet import written
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError

Form = Literal["names", "columns"]

_PATH = "image_path"
_SEPARATORS = re.compile(r"[,;|\r\n]")


def choose_form(asked: Sequence[str], classes: ClassList) -> Form:
    """In which form answers about these classes can be said.

    Raises:
        CdulEdgeError: a class that neither form can say.
    """
    if all(_is_plain(name, classes) for name in asked):
        return "names"
    for name in asked:
        if name.strip() == _PATH or name != name.strip() or "\n" in name or "\r" in name:
            raise CdulEdgeError(
                f"no CSV of answers can name the class {name!r}: ask about others with --class, or "
                "label with another name"
            )
    return "columns"


def columns_of(asked: Sequence[str], classes: ClassList) -> tuple[str, ...]:
    """Names of the columns, in the order of the classes: at least two.

    A lonely column called `label` would be read as one of names.
    """
    spare = [name for name in classes if name not in asked and name.strip() != _PATH]
    wanted = {*asked, *spare[: max(2 - len(asked), 0)]}
    return tuple(name for name in classes if name in wanted)


def is_sayable(path: str) -> bool:
    """Whether a row can name this picture.

    Rows end where lines do, cells lose outer spaces, and the file is UTF-8.
    """
    whole = path == path.strip() and not set("\r\n") & set(path) and bool(path)
    return whole and path == written(path)


def _is_plain(name: str, classes: ClassList) -> bool:
    return (
        not _SEPARATORS.search(name)
        and name == name.strip()
        and not name.startswith("-")
        and f"-{name}" not in classes.names
    )

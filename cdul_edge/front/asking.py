"""How every verb is asked: by a request, or by the request's fields as keywords."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, cast

from cdul_edge.storage.location import parse_location
from cdul_edge_runtime.errors import CdulEdgeError

Request = TypeVar("Request")

# The fields of the requests that are paths.
PATHS = frozenset(
    (
        "bundle check_images classes images input json labels only out reference run scores "
        "sheet threshold truth"
    ).split()
)


def ask(kind: type[Request], request: Request | None, keywords: dict[str, object]) -> Request:
    """The request itself, or one made of keywords; a string is a path or URL where it takes one.

    Where several names or paths may be given, one string is one of them, and not its letters.
    """
    if request is not None:
        if keywords:
            raise TypeError(f"give a request or keywords, and not both: {', '.join(keywords)}")
        return request
    empty = [name for name in PATHS & keywords.keys() if keywords[name] == ""]
    if empty:  # as a path it would mean the current folder
        raise CdulEdgeError(f"{', '.join(sorted(empty))} is empty: give a path")
    types = {one.name: str(one.type) for one in fields(cast(Any, kind))}
    for name, value in keywords.items():
        taken = types.get(name, "")
        if "tuple[Path" in taken:
            keywords[name] = _paths(name, value)
        elif isinstance(value, str) and ", ...]" in taken:
            keywords[name] = (value,)
        elif isinstance(value, str) and "Location" in taken:
            keywords[name] = parse_location(value)
        elif isinstance(value, (str, os.PathLike)) and name in PATHS:
            keywords[name] = Path(value)
    return kind(**keywords)


def _paths(name: str, value: object) -> tuple[Path, ...]:
    """Several paths; one stands for itself, as a string is a sequence of letters."""
    if isinstance(value, (str, os.PathLike)):
        value = (value,)
    paths = tuple(cast("tuple[str, ...]", value))
    if any(path == "" for path in paths):
        raise CdulEdgeError(f"{name} holds an empty path: give a path")
    return tuple(map(Path, paths))

"""Names of repositories: hf://user/name."""

from __future__ import annotations

import re

from cdul_edge_runtime.errors import CdulEdgeError

_SCHEME = "hf://"
_PART = r"[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?"  # the Hub's rule, but for "--" and ".."
_NAME = re.compile(rf"{_PART}/{_PART}", re.ASCII)


def parse_repository(address: str) -> str:
    """The "user/name" of hf://user/name.

    Raises:
        CdulEdgeError: another scheme, no user, a path in the repository, or signs that the Hub
            takes in no name.
    """
    scheme, name = address[: len(_SCHEME)], address[len(_SCHEME) :].removesuffix("/")
    if scheme != _SCHEME:
        raise CdulEdgeError(f"{address!r} is no repository: expected hf://USER/NAME")
    if "/" not in name:
        raise CdulEdgeError(
            f"{address} names no user: expected hf://USER/NAME, the user or organization first"
        )
    if "@" in name:
        raise CdulEdgeError(f"{address} names a revision: give it as --revision")
    if not _NAME.fullmatch(name) or "--" in name or ".." in name:
        raise CdulEdgeError(
            f"{address} is no repository: expected hf://USER/NAME of letters, digits, dots, dashes "
            "and underscores"
        )
    return name

"""Where this user's caches lie: what may be deleted at any time, and is made again."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache_folder() -> Path:
    """`cdul-edge` in `$XDG_CACHE_HOME`, or in `~/.cache` (XDG Base Directory Specification).

    Nobody says that it is there, or can be written to.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # the specification has relative paths ignored
    return (given if given.is_absolute() else _home() / ".cache") / "cdul-edge"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # in a container, a user that has no name
        return Path("/")

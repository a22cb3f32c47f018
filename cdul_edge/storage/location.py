"""Where something lies: a path on this machine, or a URL of an object store."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")  # two letters at least: C:\ is a drive


@dataclass(frozen=True)
class Url:
    """An address such as s3://bucket/folder; its text never ends with a slash."""

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text.rstrip("/"))

    def __truediv__(self, name: str) -> Url:
        return Url(f"{self.text}/{name}")

    def __str__(self) -> str:
        return self.text

    @property
    def scheme(self) -> str:
        """What stands before "://", in lower case."""
        return self.text.partition("://")[0].lower()


Location: TypeAlias = Path | Url


def parse_location(text: str) -> Location:
    """A URL where the text looks like one, else a path."""
    return Url(text) if _URL.match(text) else Path(text)

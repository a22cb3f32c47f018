"""Where something lies: a path on this machine, or a URL of an object store."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cdul_edge_runtime.errors import CdulEdgeError

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")  # two letters at least: C:\ is a drive
_ONE_SLASH = re.compile(r"(s3|s3a|s3n|gs|gcs|hf|abfs|abfss|az|hdfs|https?|file):/[^/]")
_SECRET = re.compile(r"[^/]*:[^/]*@")  # key:secret@bucket
_PLAIN_HOSTS = ("s3", "s3a", "s3n", "gs", "gcs")  # whose first part is a bucket, and never has an @


@dataclass(frozen=True)
class Url:
    """An address such as s3://bucket/folder; its text never ends with a slash.

    Raises:
        CdulEdgeError: it has no place behind "://", or it holds credentials, which messages and
            manifests would show.
    """

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text.rstrip("/"))
        scheme, _, place = self.text.partition("://")
        if not place:
            raise CdulEdgeError(f"{scheme.rstrip(':')}:// names no place: write bucket and folder")
        first = place.partition("/")[0]
        if _SECRET.match(place) or ("@" in first and self.scheme in _PLAIN_HOSTS):
            raise CdulEdgeError(
                f"a {scheme}:// address holds credentials: leave them out, and set them in the "
                "environment, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )

    def __truediv__(self, name: str) -> Url:
        return Url(f"{self.text}/{name}")

    def __str__(self) -> str:
        return self.text

    @property
    def scheme(self) -> str:
        """What stands before "://", in lower case."""
        return self.text.partition("://")[0].lower()

    @property
    def place(self) -> str:
        """What stands behind "://": bucket/folder/name."""
        return self.text.partition("://")[2]

    @property
    def name(self) -> str:
        """What stands behind the last slash."""
        return self.place.rpartition("/")[2]

    @property
    def parent(self) -> Url:
        """The folder that this lies in; a bucket's is the bucket itself."""
        above = self.place.rpartition("/")[0]
        return Url(f"{self.text.partition('://')[0]}://{above}") if above else self


Location: TypeAlias = Path | Url


def parse_location(text: str) -> Location:
    """A URL where the text looks like one, else a path; file:// is a path too.

    Raises:
        CdulEdgeError: a URL with credentials or without a place, file:// of another machine, or
            one slash where an object store's address has two.
    """
    if text.lower().startswith("file://"):
        host, _, path = text[len("file://") :].partition("/")
        if host.lower() not in ("", "localhost") or not path:
            raise CdulEdgeError(
                f"{text} names no path of this machine: write file:///PATH with three slashes, or "
                "the path alone"
            )
        return Path("/" + path)
    if _ONE_SLASH.match(text):
        scheme, _, place = text.partition(":/")
        raise CdulEdgeError(
            f"{text} is neither an address nor a path: write {scheme}://{place}, or ./{text} for a "
            "folder of that name"
        )
    return Url(text) if _URL.match(text) else Path(text)

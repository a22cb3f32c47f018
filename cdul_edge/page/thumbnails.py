"""Small pictures inside a page: each is embedded once, wherever it is shown."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.pictures.images import open_image

SIDE_PX = 96
_QUALITY = 70


@dataclass(frozen=True)
class Thumbnail:
    """A picture of the page: its name in it, its `data:` address, and its pixels."""

    name: str
    address: str
    width: int
    height: int


class Thumbnails:
    """The pictures of a page.

    A picture stands in the page once, as a symbol of SVG, and is shown wherever its name is used:
    without any script, in print too, and with its path for those who cannot see it.

    Attributes:
        root: the folder that paths are relative to; None where nobody knows where they lie.
        missing: what could not be opened, with the reason, in the order of asking.
        size: bytes that they add to the page.
    """

    def __init__(
        self, root: Path | None, *, side_px: int = SIDE_PX, quality: int = _QUALITY
    ) -> None:
        self.root = root
        self.missing: dict[str, str] = {}
        self.size = 0
        self._side_px, self._quality = side_px, quality
        self._names: dict[str, str] = {}
        self._by_digest: dict[bytes, str] = {}
        self._by_name: dict[str, Thumbnail] = {}

    def add(self, path: str) -> str | None:
        """The name under which the page shows a picture; None where it cannot be opened.

        Several paths of one content have one name.
        """
        if path in self.missing:
            return None
        if path not in self._names:
            try:
                self._names[path] = self._embed(path)
            except (CdulEdgeError, OSError, ValueError) as error:
                self.missing[path] = error.reason if isinstance(error, ImageError) else str(error)
                return None
        return self._names[path]

    def thumbnail(self, path: str) -> Thumbnail | None:
        """As `add`, with its address and its pixels."""
        name = self.add(path)
        return None if name is None else self._by_name[name]

    def all(self) -> tuple[Thumbnail, ...]:
        """Those of the page, in the order of asking."""
        return tuple(self._by_name.values())

    def _embed(self, path: str) -> str:
        if self.root is None:
            raise CdulEdgeError("it is not known where the pictures lie")
        picture = open_image(self.root / path, path)
        picture.thumbnail((self._side_px, self._side_px))
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=self._quality)
        digest = hashlib.sha256(file.getvalue()).digest()
        name = self._by_digest.setdefault(digest, f"p{len(self._by_digest)}")
        if name not in self._by_name:
            address = "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
            self._by_name[name] = Thumbnail(name, address, picture.width, picture.height)
            self.size += len(address)
        return name

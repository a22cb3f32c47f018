"""Small pictures inside a page: each is embedded once, wherever it is shown."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.images import open_image

SIDE_PX = 96
_QUALITY = 70


class Thumbnails:
    """The pictures of a page.

    Attributes:
        root: the folder that paths are relative to; None where nobody knows where they lie.
        missing: what could not be opened, with the reason, in the order of asking.
    """

    def __init__(self, root: Path | None, *, side_px: int = SIDE_PX) -> None:
        self.root = root
        self.missing: dict[str, str] = {}
        self._side_px = side_px
        self._embedded: dict[str, str] = {}

    def add(self, path: str) -> str | None:
        """The name under which the page shows a picture; None where it cannot be opened."""
        if path in self.missing:
            return None
        if path not in self._embedded:
            try:
                self._embedded[path] = self._encode(path)
            except (CdulEdgeError, OSError) as error:
                self.missing[path] = str(error)
                return None
        return f"p{list(self._embedded).index(path)}"

    def embedded(self) -> dict[str, str]:
        """Name to `data:` address of each picture."""
        return {f"p{number}": data for number, data in enumerate(self._embedded.values())}

    def _encode(self, path: str) -> str:
        if self.root is None:
            raise CdulEdgeError("it is not known where the pictures lie")
        picture = open_image(self.root / path)
        picture.thumbnail((self._side_px, self._side_px))
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=_QUALITY)
        return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()

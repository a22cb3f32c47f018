"""What every section's reader is given beside its own input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cdul_edge.page.thumbnails import Thumbnails
from cdul_edge.reporting.inputs import Input, Inputs
from cdul_edge.reporting.section import Section
from cdul_edge.storage.location import Location, Url
from cdul_edge_runtime.host.console import Console


@dataclass(frozen=True)
class Asked:
    """What was asked for, and what the whole page shares.

    Attributes:
        inputs: all that the page shows, for sections that compare: a bundle beside its labels.
        pictures: those of the page; each is embedded once, whichever sections show it.
        images: where pictures lie now; None: where the inputs say.
        class_names: to be shown in full, whatever the number of classes; empty: as many as fit.
        console: progress.
    """

    inputs: Inputs
    pictures: Thumbnails
    images: Path | None
    class_names: tuple[str, ...]
    console: Console

    def picture(self, path: str, root: Location | None) -> str | None:
        """Embed a picture of an input.

        Args:
            path: as the input names it.
            root: the folder that such paths are relative to; None where the input does not say.

        Returns:
            The name under which the page shows it; None where it cannot be found or read.
        """
        if self.images is not None:
            return self.pictures.add(str(self._moved(self.images, path)))
        if isinstance(root, Url):
            self.pictures.missing[path] = f"it lies in {root}: copy it here, and say where"
            return None
        return self.pictures.add(str(path if root is None else root / path))

    @staticmethod
    def _moved(images: Path, path: str) -> Path:
        """Where `path` lies now: below `images`, without the folders that it lay in before."""
        parts = [part for part in Path(path).parts if part not in ("/", "..")]
        for first in range(len(parts)):
            if (found := images.joinpath(*parts[first:])).is_file():
                return found
        return images / path


# Reads one finished input. A section that cannot be made is a `CdulEdgeError`.
Reader = Callable[[Input, Asked], Section]

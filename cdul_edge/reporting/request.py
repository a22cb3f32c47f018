"""What a report is asked for, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cdul_edge_runtime.errors import CdulEdgeError


@dataclass(frozen=True)
class ReportRequest:
    """One page.

    Attributes:
        inputs: finished folders and files of this program, in any order: labels, runs, bundles,
            JSON of `verify`, `bench`, and `evaluate`, predictions, rows of `watch`, or a folder
            that holds such, as the demo's.
        out: the HTML file.
        images: where the pictures lie now; None: where the inputs say.
        class_names: classes to show in full whatever the number of classes; empty: as many as fit.
        json: also write every figure of the page to this file.
        force: replace an earlier page.

    Raises:
        CdulEdgeError: no input.
    """

    inputs: tuple[Path, ...]
    out: Path
    images: Path | None = None
    class_names: tuple[str, ...] = ()
    json: Path | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if not self.inputs:
            raise CdulEdgeError("a report needs a folder or file of cdul-edge: name one or more")


@dataclass(frozen=True)
class ReportResult:
    """A page that was written.

    Attributes:
        out: the HTML file.
        bytes: its size.
        sections: keys of what it shows, such as "labels", in order.
        pictures: how many are embedded.
        missing: how many it would have shown, had they been found.
        figures: every figure of the page, as `--json` writes them.
    """

    out: Path
    bytes: int
    sections: tuple[str, ...]
    pictures: int
    missing: int
    figures: Mapping[str, object] = field(repr=False)

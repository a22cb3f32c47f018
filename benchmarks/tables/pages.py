"""Which pages show figures, and where in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tables.builds import draw_builds
from benchmarks.tables.edge import draw_edge
from benchmarks.tables.figures_page import draw_page
from benchmarks.tables.gpu import draw_gpu
from benchmarks.tables.markdown import ROOT
from benchmarks.tables.photographs import draw_main
from benchmarks.tables.readme_page import draw_summary
from benchmarks.tables.scale import draw_paper, draw_scale_summary
from benchmarks.tables.smoothing import draw_smoothing
from benchmarks.tables.streams import draw_streams_summary
from benchmarks.tables.tensorrt import draw_tensorrt


@dataclass(frozen=True)
class Page:
    """A page, and what draws its figures: between the marks of that name, or the whole page."""

    file: Path
    draw: Callable[[], str]
    mark: str | None = "figures"

    @property
    def marks(self) -> tuple[str, str]:
        """What stands before and behind the figures."""
        return f"<!-- {self.mark}: begin -->", f"<!-- {self.mark}: end -->"

    def fill(self) -> str:
        """The text of the page with today's figures."""
        if self.mark is None:
            return self.draw()
        begin, end = self.marks
        before, _, rest = self.file.read_text(encoding="utf-8").partition(begin)
        return f"{before}{begin}\n{self.draw()}{end}{rest.partition(end)[2]}"


PAGES = (
    Page(ROOT / "benchmarks" / "README.md", draw_page, mark=None),
    Page(ROOT / "README.md", draw_summary),
    Page(ROOT / "docs" / "reproduce.md", lambda: f"{draw_main()}\n{draw_gpu()}"),
    Page(ROOT / "docs" / "precision.md", draw_tensorrt),
    Page(ROOT / "docs" / "networks.md", lambda: f"{draw_edge()}\n{draw_builds()}"),
    Page(ROOT / "docs" / "streams.md", draw_smoothing, mark="smoothing"),
    Page(ROOT / "docs" / "streams.md", draw_streams_summary),
    Page(ROOT / "docs" / "scale.md", draw_paper, mark="paper"),
    Page(ROOT / "docs" / "scale.md", draw_scale_summary),
)


def write_pages() -> None:
    """Write every page."""
    for page in PAGES:
        page.file.write_text(page.fill(), encoding="utf-8")

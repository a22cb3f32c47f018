"""A report's page of one input, and the figures that it shows beside those of its JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

from cdul_edge.reporting.report import report
from cdul_edge.reporting.request import ReportRequest
from cdul_edge_runtime.host.console import SilentConsole
from tests.fakes.json_pointer import find_value


@dataclass(frozen=True)
class ShownPage:
    """A page: its text, and the JSON of its figures."""

    html: str
    figures: object

    @property
    def summary(self) -> str:
        """What stands before the table of contents, as it is read."""
        told = self.html.split('<dl class="summary">')[1].split("</dl>")[0]
        return unescape(" ".join(re.sub("<[^>]*>", "", told).split()))

    def at(self, pointer: str) -> object:
        """What stands at a JSON pointer of the figures."""
        return find_value(self.figures, pointer)


def show(out: Path, *inputs: Path, images: Path | None = None) -> ShownPage:
    """Make the page, and check that each figure on it is that of its JSON."""
    place, figures = out / "report.html", out / "report.json"
    request = ReportRequest(inputs, place, images=images, json=figures, force=True)
    report(request, SilentConsole())
    shown = ShownPage(place.read_text(encoding="utf-8"), json.loads(figures.read_bytes()))
    numbers = _Numbers()
    numbers.feed(shown.html)
    assert numbers.found
    for pointer, value in numbers.found:
        known = shown.at(pointer)
        assert value == ("" if known is None else repr(known)), pointer
    return shown


class _Numbers(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "data":
            self.found.append((given["data-at"] or "", given["value"] or ""))

"""Headings of sections."""

from __future__ import annotations

from cdul_edge.reporting.asked import Asked
from cdul_edge.reporting.header import TITLES
from cdul_edge.reporting.inputs import Input


def title_of(one: Input, asked: Asked, addition: str = "") -> str:
    """What it is, and of several of a kind, which: by name, or by path where names are alike."""
    title = TITLES[one.kind] + addition
    names = [other.path.name for other in asked.inputs.of(one.kind)]
    if len(names) < 2:
        return title
    return f"{title}: {one.path if names.count(one.path.name) > 1 else one.path.name}"

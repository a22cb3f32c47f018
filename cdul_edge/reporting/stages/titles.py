"""Headings of sections."""

from __future__ import annotations

from cdul_edge.reporting.asked import Asked
from cdul_edge.reporting.header import TITLES
from cdul_edge.reporting.inputs import Input


def title_of(one: Input, asked: Asked, addition: str = "") -> str:
    """What it is, and of several of a kind, which."""
    title = TITLES[one.kind] + addition
    return title if len(asked.inputs.of(one.kind)) < 2 else f"{title}: {one.path.name}"

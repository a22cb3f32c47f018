"""A section of the page: facts that are the report's JSON, charts, and the template for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Section:
    """What one input shows.

    Attributes:
        key: "labels", "run", "bundle", "verify", "bench", "evaluation", "predictions", or "watch";
            of several of a kind, the later ones get "-2", "-3".
        title: its heading.
        template: "report/KEY.html".
        source: the folder or file.
        facts: a frozen dataclass: all that the template shows. As JSON it stands in the report
            under /sections/KEY, and figures on the page name their place in it.
        charts: name to inline SVG, for the template.
    """

    key: str
    title: str
    template: str
    source: Path
    facts: DataclassInstance
    charts: Mapping[str, Markup] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What it is of: its key without the number that several of a kind get."""
        return self.key.partition("-")[0]

    def facts_json(self) -> dict[str, object]:
        """The facts as they stand in the report's JSON."""
        return asdict(self.facts)

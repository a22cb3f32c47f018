"""The study: labeling strategies, training methods and seeds side by side, against truth.

from cdul_edge.study import DrawnWorld, StudyRequest, study

result = study(StudyRequest(out=Path("study"), data=DrawnWorld(600, 300)))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cdul_edge.study.request import DrawnWorld, Photographs, StudyRequest
    from cdul_edge.study.run import StudyResult, study

__all__ = ["DrawnWorld", "Photographs", "StudyRequest", "StudyResult", "study"]

_HOMES = {
    "DrawnWorld": "request",
    "Photographs": "request",
    "StudyRequest": "request",
    "StudyResult": "run",
    "study": "run",
}


def __getattr__(name: str) -> object:
    # On first use: the options of the command line are read without torch.
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

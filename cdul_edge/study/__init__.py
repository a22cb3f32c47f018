"""The study: labeling strategies, training methods and seeds side by side, against truth.

from cdul_edge.study import DrawnWorld, StudyRequest, study

result = study(StudyRequest(out=Path("study"), data=DrawnWorld(600, 300)))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdul_edge_runtime.host.lazy_names import lazy_names

if TYPE_CHECKING:
    from cdul_edge.study.data import DrawnWorld, KnownSimilarities, Photographs
    from cdul_edge.study.request import StudyRequest
    from cdul_edge.study.run import StudyResult, study

__all__ = [
    "DrawnWorld",
    "KnownSimilarities",
    "Photographs",
    "StudyRequest",
    "StudyResult",
    "study",
]

_HOMES = {
    "DrawnWorld": "data",
    "KnownSimilarities": "data",
    "Photographs": "data",
    "StudyRequest": "request",
    "StudyResult": "run",
    "study": "run",
}

# On first use: the options of the command line are read without torch.
__getattr__ = lazy_names(__name__, _HOMES)

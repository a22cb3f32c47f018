"""From pictures and class names to pseudo-labels: `label(LabelRequest(...))`.

Names are imported when they are asked for: a device that labels nothing has no pyarrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdul_edge_runtime.host.lazy_names import lazy_names

if TYPE_CHECKING:
    from cdul_edge.labelling.decode.views import Views, WholePicture
    from cdul_edge.labelling.request import ImportRequest, LabelRequest, LabelResult
    from cdul_edge.labelling.run import label
    from cdul_edge.labelling.score.scoring import Scoring

__all__ = [
    "ImportRequest",
    "LabelRequest",
    "LabelResult",
    "Scoring",
    "Views",
    "WholePicture",
    "label",
]

_HOMES = {
    "label": "run",
    "LabelRequest": "request",
    "ImportRequest": "request",
    "LabelResult": "request",
    "Scoring": "score.scoring",
    "Views": "decode.views",
    "WholePicture": "decode.views",
}

__getattr__ = lazy_names(__name__, _HOMES)

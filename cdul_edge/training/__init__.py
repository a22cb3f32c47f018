"""From pseudo-labels to a trained network.

from cdul_edge.training import TrainRequest, train

result = train(TrainRequest(labels=Path("labels"), out=Path("run")))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdul_edge_runtime.host.lazy_names import lazy_names

if TYPE_CHECKING:
    from cdul_edge.training.attention.explain import ExplainRequest, ExplainResult, explain
    from cdul_edge.training.config import TrainConfig
    from cdul_edge.training.request import TrainRequest, TrainResult
    from cdul_edge.training.run import train

__all__ = [
    "ExplainRequest",
    "ExplainResult",
    "TrainConfig",
    "TrainRequest",
    "TrainResult",
    "explain",
    "train",
]

_HOMES = {
    "ExplainRequest": "attention.explain",
    "ExplainResult": "attention.explain",
    "TrainConfig": "config",
    "TrainRequest": "request",
    "TrainResult": "request",
    "explain": "attention.explain",
    "train": "run",
}

# On first use: settings and requests are read without torch.
__getattr__ = lazy_names(__name__, _HOMES)

"""From pseudo-labels to a trained network.

from cdul_edge.training import TrainRequest, train

result = train(TrainRequest(labels=Path("labels"), out=Path("run")))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

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
    "ExplainRequest": "cdul_edge.training.attention.explain",
    "ExplainResult": "cdul_edge.training.attention.explain",
    "TrainConfig": "cdul_edge.training.config",
    "TrainRequest": "cdul_edge.training.request",
    "TrainResult": "cdul_edge.training.request",
    "explain": "cdul_edge.training.attention.explain",
    "train": "cdul_edge.training.run",
}


def __getattr__(name: str) -> object:
    # On first use: settings and requests are read without torch.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The processes that share a training run."""

from cdul_edge.training.ranks.ranks import ALONE, Ranks

__all__ = ["ALONE", "Ranks"]

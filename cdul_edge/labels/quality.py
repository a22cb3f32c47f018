"""What soft labels say beside their ranking: how many, how sure, and of which class too often.

For people who know some truth; nothing that labels or learns reads this.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.metrics.metrics import Floats, Truth

HARD = 0.5  # a soft label at or above it hardens to 1: what the field does, whatever thresholds say


@dataclass(frozen=True)
class LabelQuality:
    """Soft and hardened labels beside the truth; of every picture its known entries only.

    Attributes:
        row_sum: mean sum of a picture's scores, `row_sum_truth` its mean number of classes: equal
            where the scores are probabilities.
        hard_precision: of all labels that reach 0.5, in percent.
        hard_recall: of the same, in percent.
        pictures_without_positive: percent whose scores all stay below 0.5;
            `pictures_without_positive_truth`: percent that show no class.
        prevalence_ratio: class to how often its score reaches 0.5, over how often it is there;
            None for a class that is nowhere.
        soft_prevalence_ratio: class to its mean score, over how often it is there; or None.
    """

    row_sum: float
    row_sum_truth: float
    hard_precision: float
    hard_recall: float
    pictures_without_positive: float
    pictures_without_positive_truth: float
    prevalence_ratio: dict[str, float | None]
    soft_prevalence_ratio: dict[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def measure_label_quality(scores: Floats, truth: Truth, classes: ClassList) -> LabelQuality:
    """Compare soft labels with truth.

    Args:
        scores: (N, C) in [0, 1].
        truth: (N, C) int8: 1 present, 0 absent, -1 unknown, which is left out entry by entry; of
            one picture at least something is known.
    """
    some = (truth >= 0).any(axis=1)
    known, positive = truth[some] >= 0, truth[some] == 1
    soft = np.where(known, scores[some].astype(np.float64), 0.0)
    hard = soft >= HARD
    hits = float((hard & positive).sum())
    return LabelQuality(
        row_sum=float(soft.sum(axis=1).mean()),
        row_sum_truth=float(positive.sum(axis=1).mean()),
        hard_precision=100 * hits / max(int(hard.sum()), 1),
        hard_recall=100 * hits / max(int(positive.sum()), 1),
        pictures_without_positive=100 * float((~hard.any(axis=1)).mean()),
        pictures_without_positive_truth=100 * float((~positive.any(axis=1)).mean()),
        prevalence_ratio=_ratios(hard, positive, classes),
        soft_prevalence_ratio=_ratios(soft, positive, classes),
    )


def _ratios(
    labels: npt.NDArray[Any], positive: npt.NDArray[np.bool_], classes: ClassList
) -> dict[str, float | None]:
    said, present = labels.sum(axis=0), positive.sum(axis=0)
    return {
        name: float(said[c] / present[c]) if present[c] else None for c, name in enumerate(classes)
    }

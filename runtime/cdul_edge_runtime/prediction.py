"""What a classifier says about one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import MissingExtraError

if TYPE_CHECKING:
    from supervision import Classifications


@dataclass(frozen=True, eq=False)
class Prediction:
    """Scores of one picture.

    Attributes:
        scores: (C,) float32 in [0, 1]; independent of each other, they do not sum to 1.
        classes: names of the columns.
        thresholds: (C,) float32; a score at or above it is a label.
    """

    scores: npt.NDArray[np.float32]
    classes: ClassList
    thresholds: npt.NDArray[np.float32]

    @property
    def labels(self) -> list[str]:
        """Names of the classes that reach their threshold, the highest score first."""
        return [self.classes.names[c] for c in self._reached()]

    def top(self, k: int) -> list[tuple[str, float]]:
        """The `k` highest (name, score) pairs, whatever the thresholds; ties in class order."""
        return [(self.classes.names[c], _plain(self.scores[c])) for c in _ranked(self.scores)[:k]]

    def to_dict(self) -> dict[str, Any]:
        """`{"labels": [name, …], "scores": {name: score, …}}`, ready for JSON."""
        pairs = zip(self.classes, self.scores, strict=True)
        return {"labels": self.labels, "scores": {name: _plain(score) for name, score in pairs}}

    def to_supervision(self) -> Classifications:
        """What reached its threshold, as Roboflow's supervision has it; the highest score first.

        `class_id` are columns of `classes`, int64 in order of `labels`; `confidence` are their
        scores, float32. Both are empty where there is no label. A multi-label classifier has no
        distribution over classes: the confidences are independent, and `get_top_k` picks among the
        labels.

        Raises:
            MissingExtraError: supervision, or what it needs, is not installed.
        """
        try:
            from supervision import Classifications
        except ImportError as error:
            raise MissingExtraError(
                f"to_supervision cannot import supervision ({error}): pip install supervision"
            ) from error
        reached = np.array(self._reached(), np.int64)
        return Classifications(class_id=reached, confidence=self.scores[reached])

    def _reached(self) -> list[int]:
        """Columns of the labels, the highest score first."""
        # plain numbers: for a few hundred classes, NumPy's calls would take twice as long
        scores, thresholds = self.scores.tolist(), self.thresholds.tolist()
        reached = [c for c, score in enumerate(scores) if score >= thresholds[c]]
        reached.sort(key=scores.__getitem__, reverse=True)  # stable: ties in class order
        return reached


def _ranked(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    return np.argsort(-scores, kind="stable")


def _plain(value: np.float32) -> float:
    return float(str(value))  # 0.1 and not 0.10000000149011612

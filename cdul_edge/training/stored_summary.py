"""summary.json as it stands in the file, before it becomes what the program works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cdul_edge.training.config import LabelsFrom
from cdul_edge_runtime.host.json_record import RecordError
from cdul_edge_runtime.metrics.metrics import MetricsReport


@dataclass(frozen=True)
class _StoredMaps:
    map_first: float
    map_last: float


@dataclass(frozen=True)
class StoredSummary:
    """summary.json as it stands in the file, with one threshold of each class.

    Raises:
        RecordError: the number of thresholds is another one.
    """

    run: str
    network: str
    method: str
    classes: tuple[str, ...]
    pictures: int
    epochs: int
    seconds: float
    images_per_second: float
    last_epoch: dict[str, Any]
    label_guard: str | None
    thresholds: tuple[float | None, ...]
    version: str
    score_slope: float | None = None  # this and the next are younger than the format
    labels_from: LabelsFrom = "observed+pseudo"
    pseudo_labels: _StoredMaps | None = None
    train: dict[str, Any] | None = None
    val: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if len(self.thresholds) != len(self.classes):
            raise RecordError(
                f"it has {len(self.thresholds)} thresholds for {len(self.classes)} classes"
            )

    def read_metrics(self) -> tuple[MetricsReport | None, MetricsReport | None]:
        """Metrics on the training and the held-out pictures.

        Raises:
            RecordError: they are of something else, or of other classes.
        """
        return self._read("train", self.train), self._read("val", self.val)

    def _read(self, name: str, values: dict[str, Any] | None) -> MetricsReport | None:
        if values is None:
            return None
        found = MetricsReport.from_dict(values)
        if found.ap.keys() != set(self.classes):
            raise RecordError(f"{name}.ap is not of the run's classes")
        return found

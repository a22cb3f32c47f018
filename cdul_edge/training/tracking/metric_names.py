"""What an epoch and a summary measured, under the names that trackers' users look for."""

from __future__ import annotations

import math
from collections.abc import Mapping

from cdul_edge.training.summary import EpochLine, RunSummary
from cdul_edge_runtime.metrics.metrics import MetricsReport

_REPORTED = {
    "map": "mAP",
    "macro_f1": "macro_F1",
    "cf1": "CF1",
    "of1": "OF1",
    "hamming": "hamming",
    "ece": "ECE",
}


def name_epoch(line: EpochLine) -> dict[str, float]:
    """The numbers of a line of metrics.jsonl, "train/loss" and so on; what is NaN is left out."""
    found: dict[str, float | None] = {
        "epoch": line.epoch,
        "lr": line.rate,
        "train/loss": line.loss,
        "train/bce": line.bce,
        "train/kl": line.kl,
        "train/seconds": line.seconds,
        "train/images_per_second": line.images_per_second,
        "labels/mAP": line.labels_map,
    }
    for name, value in line.revision.items():
        if not isinstance(value, (str, bool)):
            found[f"labels/{name}"] = value
    if line.val is not None:
        found["val/mAP"] = line.val.map
        found["val/CF1"] = line.val.cf1
        found["val/OF1"] = line.val.of1
        found["val/hamming"] = line.val.hamming
    return _defined(found)


def name_summary(summary: RunSummary) -> dict[str, float]:
    """The numbers of summary.json, "final/val/mAP" and so on: of the whole run, at thresholds."""
    found: dict[str, float | None] = {
        "final/seconds": summary.seconds,
        "final/images_per_second": summary.images_per_second,
    }
    if summary.labels_map is not None:
        found["final/labels/mAP_first"], found["final/labels/mAP"] = summary.labels_map
    for part, report in (("train", summary.train), ("val", summary.val)):
        if report is not None:
            found.update(_name_report(f"final/{part}", report))
    return _defined(found)


def _name_report(prefix: str, report: MetricsReport) -> dict[str, float]:
    return {f"{prefix}/{shown}": getattr(report, name) for name, shown in _REPORTED.items()}


def _defined(values: Mapping[str, float | None]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in values.items()
        if value is not None and math.isfinite(value)
    }

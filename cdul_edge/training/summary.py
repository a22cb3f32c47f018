"""What a run reports: a line per epoch in metrics.jsonl, and a summary at its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from cdul_edge.training.config import LabelsFrom
from cdul_edge.training.stored_summary import StoredSummary
from cdul_edge.version import __version__
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import atomic_write, read_json
from cdul_edge_runtime.host.json_record import (
    RecordError,
    check_header,
    finite_or_none,
    null_to_nan,
    parse_record,
)
from cdul_edge_runtime.metrics.metrics import MetricsReport

FORMAT = 2
METRICS = "metrics.jsonl"
SUMMARY = "summary.json"


@dataclass(frozen=True)
class HeldOut:
    """Held-out metrics after an epoch, in percent, at score 0.5; NaN where undefined."""

    map: float
    cf1: float
    of1: float
    hamming: float


@dataclass(frozen=True)
class EpochLine:
    """What one epoch did.

    Attributes:
        epoch: From 1.
        loss: Mean of what was minimized.
        bce: Mean binary cross-entropy of logits and targets, in nats.
        kl: Mean Bernoulli KL(targets || scores): `bce` minus the targets' entropy.
        rate: Learning rate of the trunk at the last step.
        seconds: Time of the steps alone.
        images_per_second: Speed of the steps alone.
        revision: What the method says about how it revised its labels, by name.
        labels_map: mAP of the pseudo-labels in percent; None without truth.
        val: Metrics of the held-out pictures; None without them.
    """

    epoch: int
    loss: float
    bce: float
    kl: float
    rate: float
    seconds: float
    images_per_second: float
    revision: Mapping[str, float | str] = field(default_factory=dict)
    labels_map: float | None = None
    val: HeldOut | None = None

    @property
    def label_guard(self) -> str | None:
        """Why the method took its first labels back, if it did."""
        complaint = self.revision.get("label_guard")
        return None if complaint is None else str(complaint)

    def describe(self, epochs: int) -> str:
        """The line of a run of so many epochs, in words."""
        words = [
            f"epoch {self.epoch}/{epochs}:",
            f"bce {self.bce:.4f}, kl {self.kl:.4f}, {self.images_per_second:.1f} pictures/s",
        ]
        if "label_change" in self.revision:
            words.append(f"labels moved {self.revision['label_change']:.3f}")
        if self.labels_map is not None:
            words.append(f"labels' mAP {self.labels_map:.1f}")
        if self.val is not None:
            words.append(f"held-out mAP {self.val.map:.1f}")
        return "  ".join(words)

    def to_dict(self) -> dict[str, object]:
        """Plain values, as a line of metrics.jsonl holds them; `from_dict` reads them back."""
        plain: dict[str, object] = {name: getattr(self, name) for name in _STEPS}
        plain.update(self.revision)
        if self.labels_map is not None:
            plain["pseudo_labels"] = {"map": finite_or_none(self.labels_map)}
        if self.val is not None:
            plain["val"] = {name: finite_or_none(value) for name, value in asdict(self.val).items()}
        return plain

    @classmethod
    def from_dict(cls, values: Any) -> EpochLine:
        """Read what `to_dict` gave; raises `RecordError` where it is something else."""
        if not isinstance(values, dict):
            raise RecordError("it is not an object")
        steps = {name: values[name] for name in _STEPS if name in values}
        revision = {name: value for name, value in values.items() if name not in _LINE}
        line = {**steps, "revision": revision, "val": null_to_nan(values.get("val"))}
        labels = values.get("pseudo_labels")
        if labels is not None:
            line["labels_map"] = parse_record(_StoredMap, null_to_nan(labels), "pseudo_labels").map
        return parse_record(cls, line)


_STEPS = tuple(one.name for one in fields(EpochLine))[:7]
_LINE = {*_STEPS, "pseudo_labels", "val"}


@dataclass(frozen=True)
class _StoredMap:
    map: float


@dataclass(frozen=True)
class RunSummary:
    """What a finished run found, as summary.json holds it.

    Attributes:
        run: The run's folder, as it was given.
        network: Its name.
        method: How it learned.
        classes: Names of the columns.
        pictures, epochs: How many; pictures that were set aside count.
        seconds, images_per_second: Of all steps together; median over the epochs.
        last_epoch: The last line of metrics.jsonl.
        label_guard: Why the method took its first labels back, if it did.
        thresholds: Per class, on scores; None for a class that is never predicted.
        score_slope: What the log-odds were multiplied with; None where nothing was set aside.
        labels_from: Whether pseudo-labels said what was not observed.
        labels_map: mAP in percent of the first and of the last labels; None without truth.
        train, val: Metrics on the training and the held-out pictures; None without truth.
        version: Of the program that made the run.
    """

    run: str
    network: str
    method: str
    classes: tuple[str, ...]
    pictures: int
    epochs: int
    seconds: float
    images_per_second: float
    last_epoch: EpochLine
    label_guard: str | None
    thresholds: tuple[float | None, ...]
    score_slope: float | None = None
    labels_from: LabelsFrom = "observed+pseudo"
    labels_map: tuple[float, float] | None = None
    train: MetricsReport | None = None
    val: MetricsReport | None = None
    version: str = __version__

    @property
    def never_predicted(self) -> list[str]:
        """Classes that no label shows, and so have no threshold."""
        pairs = zip(self.classes, self.thresholds, strict=True)
        return [name for name, threshold in pairs if threshold is None]

    def to_dict(self) -> dict[str, object]:
        """Plain values for summary.json; `from_dict` reads them back."""
        plain: dict[str, object] = {
            "format": FORMAT,
            "program": "cdul-edge",
            "version": self.version,
            "stage": "train",
            "run": self.run,
            "network": self.network,
            "method": self.method,
            "classes": list(self.classes),
            "pictures": self.pictures,
            "epochs": self.epochs,
            "seconds": self.seconds,
            "images_per_second": self.images_per_second,
            "last_epoch": self.last_epoch.to_dict(),
            "label_guard": self.label_guard,
            "thresholds": list(self.thresholds),
            "score_slope": self.score_slope,
            "labels_from": self.labels_from,
        }
        if self.labels_map is not None:
            first, last = map(finite_or_none, self.labels_map)
            plain["pseudo_labels"] = {"map_first": first, "map_last": last}
        if self.train is not None:
            plain["train"] = self.train.to_dict()
        if self.val is not None:
            plain["val"] = self.val.to_dict()
        return plain

    @classmethod
    def from_dict(cls, values: Any) -> RunSummary:
        """Read what `to_dict` gave; raises `RecordError` where it is something else."""
        check_header(values, format=FORMAT, stage="train")
        maps = null_to_nan(values.get("pseudo_labels"))
        stored = parse_record(StoredSummary, {**values, "pseudo_labels": maps})
        labels = stored.pseudo_labels
        train, val = stored.read_metrics()
        return cls(
            run=stored.run,
            network=stored.network,
            method=stored.method,
            classes=stored.classes,
            pictures=stored.pictures,
            epochs=stored.epochs,
            seconds=stored.seconds,
            images_per_second=stored.images_per_second,
            last_epoch=EpochLine.from_dict(stored.last_epoch),
            label_guard=stored.label_guard,
            thresholds=stored.thresholds,
            score_slope=stored.score_slope,
            labels_from=stored.labels_from,
            labels_map=None if labels is None else (labels.map_first, labels.map_last),
            train=train,
            val=val,
            version=stored.version,
        )


def append_metrics(folder: Path, line: EpochLine) -> None:
    """Add one epoch's line; written before its checkpoint, so that none is ever missing."""
    with (folder / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line.to_dict(), ensure_ascii=False, allow_nan=False) + "\n")


def read_metrics(folder: Path) -> list[EpochLine]:
    """The lines of all epochs, up to one that was not written to its end.

    Raises:
        CdulEdgeError: a line is not that of an epoch.
    """
    file = folder / METRICS
    lines = []
    for text in file.read_bytes().splitlines() if file.is_file() else []:
        try:
            lines.append(EpochLine.from_dict(json.loads(text)))
        except ValueError:  # the program was killed while it wrote the line
            break
        except (RecordError, RecursionError) as error:
            raise CdulEdgeError(
                f"{file} is damaged at line {len(lines) + 1}: train again with --force"
            ) from error
    return lines


def keep_metrics(folder: Path, epochs: int) -> list[EpochLine]:
    """Drop lines after epoch `epochs`, and an unfinished line; returns the others."""
    kept = [line for line in read_metrics(folder) if line.epoch <= epochs]
    with atomic_write(folder / METRICS) as temporary:
        texts = (json.dumps(line.to_dict(), ensure_ascii=False) + "\n" for line in kept)
        temporary.write_text("".join(texts), encoding="utf-8")
    return kept


def read_summary(folder: Path) -> RunSummary:
    """The summary of a finished run.

    Raises:
        CdulEdgeError: it is missing or damaged.
    """
    content = read_json(folder / SUMMARY)
    try:
        return RunSummary.from_dict(content)
    except CdulEdgeError as error:
        raise CdulEdgeError(
            f"{folder / SUMMARY} is not that of a run ({error}): train again with --force"
        ) from error

"""The run folder: what it holds, whether it may be gone on with, and reading a finished one.

config.json                    settings, labels and classes of the run
metrics.jsonl                  one line an epoch
checkpoint.pt                  the state after the last whole epoch
first_epoch.pt                 the network as it was after the first epoch, to compare with
pseudo_labels_refined.parquet  the labels at the end      } only a finished run
summary.json                   thresholds and results     } has these
cache/                         decoded pictures, while it trains
"""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cdul_edge import __version__
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.checkpoint import FILE_NAME as CHECKPOINT
from cdul_edge.training.checkpoint import Checkpoint
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.networks.network import NetworkPlan, rebuild_network
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.thresholds import thresholds_from_json
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import atomic_write, read_json, sha256_file, write_json
from cdul_edge_runtime.pictures.images import PictureList
from cdul_edge_runtime.pictures.preprocess import Preprocess

FORMAT = 2
CONFIG = "config.json"
METRICS = "metrics.jsonl"
SUMMARY = "summary.json"
REFINED = "pseudo_labels_refined.parquet"
FIRST_EPOCH = "first_epoch.pt"
CACHE = "cache"
_OURS = (CONFIG, METRICS, SUMMARY, REFINED, CHECKPOINT, FIRST_EPOCH)


class RunState(Enum):
    """What an output folder is before the run starts."""

    FRESH = "fresh"
    STARTED = "started"
    FINISHED = "finished"


@dataclass(frozen=True)
class RunConfig:
    """What decides a run's result, as config.json holds it."""

    settings: TrainConfig
    labels: str  # where the pseudo-labels lay
    labels_sha256: str
    observed_sha256: str | None  # of the labels that people gave, where they gave any
    observed_from: str | None  # where those come from, in words; no difference between runs
    pictures: int
    classes: ClassList

    def write(self, folder: Path) -> None:
        """Write config.json."""
        about = {"format": FORMAT, "program": "cdul-edge", "version": __version__, "stage": "train"}
        fields = {**asdict(self), "classes": list(self.classes)}
        write_json(folder / CONFIG, {**about, **fields})

    @classmethod
    def read(cls, folder: Path) -> RunConfig:
        """Read config.json; `CdulEdgeError` where it is missing, damaged or of another format."""
        content = read_json(folder / CONFIG)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CdulEdgeError(
                f"{folder / CONFIG} is not of format {FORMAT}: use the program that made it, or "
                "train again"
            )
        try:
            return cls(
                settings=TrainConfig.from_dict(content["settings"]),
                labels=content["labels"],
                labels_sha256=content["labels_sha256"],
                observed_sha256=content["observed_sha256"],
                observed_from=content.get("observed_from"),  # younger than the format
                pictures=content["pictures"],
                classes=ClassList(tuple(content["classes"])),
            )
        except (KeyError, TypeError) as error:
            raise CdulEdgeError(f"{folder / CONFIG} is damaged ({error}): train again") from error

    def differences(self, other: RunConfig) -> list[str]:
        """What in this run is not as in `other`."""
        found = self.settings.differences(other.settings)
        if list(self.classes) != list(other.classes):
            found.append(f"{len(self.classes)} classes (now {len(other.classes)} others)")
        elif self.labels_sha256 != other.labels_sha256:
            found.append(f"labels {self.labels_sha256[:8]} (now {other.labels_sha256[:8]})")
        if self.observed_sha256 != other.observed_sha256:
            mine, theirs = (_short(x.observed_sha256) for x in (self, other))
            found.append(f"observed labels {mine} (now {theirs})")
        return found


def inspect_folder(folder: Path, config: RunConfig, *, force: bool) -> RunState:
    """Say what `folder` is for this run; changes nothing.

    Raises:
        CdulEdgeError: without `force`, a run of other settings or labels, or no run at all.
    """
    if folder.exists() and not folder.is_dir():
        raise CdulEdgeError(f"{folder} is a file: choose another --out")
    if force or not folder.exists():
        return RunState.FRESH
    if not (folder / CONFIG).is_file():
        strange = sorted(p.name for p in folder.iterdir() if p.name != CACHE)
        if strange:
            raise CdulEdgeError(
                f"{folder} is not empty and holds no run (such as {strange[0]}): choose another "
                "--out, or train there with --force"
            )
        return RunState.FRESH
    differing = RunConfig.read(folder).differences(config)
    if differing:
        raise CdulEdgeError(
            f"{folder} holds a run of other settings: {', '.join(differing)}: choose another "
            "--out, or replace it with --force"
        )
    return RunState.FINISHED if (folder / SUMMARY).is_file() else RunState.STARTED


def begin(folder: Path, config: RunConfig) -> None:
    """Start a run: remove what an earlier one left, write config.json."""
    for name in _OURS:
        (folder / name).unlink(missing_ok=True)
    config.write(folder)


def append_metrics(folder: Path, line: dict[str, Any]) -> None:
    """Add one epoch's line; written before its checkpoint, so that none is ever missing."""
    with (folder / METRICS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")


def keep_metrics(folder: Path, epochs: int) -> list[dict[str, Any]]:
    """Drop lines after epoch `epochs`, and a line that was cut; returns the others."""
    file = folder / METRICS
    kept = []
    for text in file.read_text(encoding="utf-8").splitlines() if file.is_file() else []:
        try:
            line = json.loads(text)
        except json.JSONDecodeError:  # killed while it was written
            break
        if line["epoch"] <= epochs:
            kept.append(line)
    with atomic_write(file) as temporary:
        temporary.write_text(
            "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept), encoding="utf-8"
        )
    return kept


def finish(folder: Path, refined: PseudoLabels, summary: dict[str, Any]) -> None:
    """Write the refined labels and, last, the summary that marks the run as finished."""
    refined.write(folder / REFINED)
    write_json(folder / SUMMARY, summary)
    shutil.rmtree(folder / CACHE, ignore_errors=True)


def read_summary(folder: Path) -> dict[str, Any]:
    """The summary of a finished run."""
    summary: dict[str, Any] = read_json(folder / SUMMARY)
    return summary


@dataclass(frozen=True)
class TrainedRun:
    """A finished run, ready to export.

    Attributes:
        network: evaluation mode, on the CPU; float32 normalized (N, 3, H, W) to logits (N, C).
        classes: names of the C columns.
        preprocess: what its pictures must look like.
        thresholds: (C,) on scores in [0, 1], found on the training pictures without labels.
        pictures: the training pictures.
        provenance: program version, settings, and digests of labels and checkpoint; plain values.
    """

    network: torch.nn.Module
    classes: ClassList
    preprocess: Preprocess
    thresholds: npt.NDArray[np.float32]
    pictures: PictureList
    provenance: dict[str, Any]


def load_run(folder: Path) -> TrainedRun:
    """Read a finished run; no weights are downloaded and no picture is opened.

    Raises:
        CdulEdgeError: no run, one that is not finished, or a checkpoint of other classes.
    """
    if not (folder / CONFIG).is_file():
        raise CdulEdgeError(f"{folder} is no run: make one with `cdul-edge train LABELS --out RUN`")
    config = RunConfig.read(folder)
    if not (folder / SUMMARY).is_file():
        raise CdulEdgeError(
            f"the run {folder} is not finished: the same `cdul-edge train` command goes on with it"
        )
    checkpoint = Checkpoint.read(folder)
    checkpoint.check_classes(config.classes, folder)
    plan = NetworkPlan.from_dict(checkpoint.plan)
    network = rebuild_network(plan, len(config.classes))
    network.load_state_dict(checkpoint.result)
    return TrainedRun(
        network=network.eval().requires_grad_(False),
        classes=config.classes,
        preprocess=plan.preprocess,
        thresholds=thresholds_from_json(read_summary(folder)["thresholds"]),
        pictures=read_run_pictures(folder),
        provenance={
            "program": "cdul-edge",
            "version": __version__,
            "stage": "train",
            "settings": config.settings.to_dict(),
            "labels_sha256": config.labels_sha256,
            "checkpoint_sha256": sha256_file(folder / CHECKPOINT),
            "epochs": checkpoint.epoch,
        },
    )


def read_run_pictures(folder: Path) -> PictureList:
    """The training pictures of a finished run, which need not be there any more.

    Raises:
        CdulEdgeError: the run's labels cannot be read.
    """
    refined = PseudoLabels.read(folder / REFINED)
    return PictureList(refined.root, refined.paths)


def load_first_epoch(folder: Path, network: torch.nn.Module) -> bool:
    """Fill `network` with the weights that the run had after its first epoch.

    Returns:
        False, and the network stays as it is, where the run did not keep them.

    Raises:
        CdulEdgeError: the file is damaged.
    """
    file = folder / FIRST_EPOCH
    if not file.is_file():
        return False
    try:
        network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise CdulEdgeError(
            f"{file} is damaged ({reason}): remove it to do without, or train again"
        ) from error
    return True


def _short(digest: str | None) -> str:
    return digest[:8] if digest else "none"

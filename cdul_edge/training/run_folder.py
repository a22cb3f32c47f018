"""The run folder: what it holds, whether it can be resumed, and reading a finished one.

config.json                    settings, labels and classes of the run
metrics.jsonl                  one line per epoch
checkpoint.pt                  the state after the last whole epoch
first_epoch.pt                 the network as it was after the first epoch, to compare with
pseudo_labels_refined.parquet  the labels at the end      } only a finished run
heldout_scores.parquet         of the held-out pictures   } has these
score_reference.npz            scores of its pictures     }
summary.json                   thresholds and results     }
cache/                         decoded pictures, while it trains
tracking.*.json, ...           of `--log`; see tracking/places.py
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cdul_edge.clip.tensor_files import TensorFileError, read_tensors
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.checkpoint import FILE_NAME as CHECKPOINT
from cdul_edge.training.checkpoint import Checkpoint, load_weights
from cdul_edge.training.data.dataset import CACHED_PICTURES
from cdul_edge.training.networks.network import rebuild_network
from cdul_edge.training.run_config import CONFIG as CONFIG
from cdul_edge.training.run_config import RunConfig as RunConfig
from cdul_edge.training.summary import METRICS, SUMMARY, RunSummary, read_summary
from cdul_edge.training.tracking.places import LOGS
from cdul_edge.version import __version__
from cdul_edge_runtime.bundle.bundle import SCORE_REFERENCE
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.score_reference import ScoreReference
from cdul_edge_runtime.bundle.threshold_values import thresholds_from_json
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.host.files import read_json, sha256_file, write_json
from cdul_edge_runtime.host.folder_lock import LOCK
from cdul_edge_runtime.host.ownership import FolderKind, names_program, remove_own, require_own
from cdul_edge_runtime.pictures.images import PictureList
from cdul_edge_runtime.pictures.preprocess import Preprocess
from cdul_edge_runtime.pictures.resizer import extend_record

REFINED = "pseudo_labels_refined.parquet"
HELD_OUT = "heldout_scores.parquet"
FIRST_EPOCH = "first_epoch.pt"
CACHE = "cache"
_OURS = (CONFIG, METRICS, SUMMARY, REFINED, HELD_OUT, CHECKPOINT, FIRST_EPOCH, SCORE_REFERENCE)
RUN_FOLDER = FolderKind(
    "run",
    CONFIG,
    (*_OURS, f"{CACHE}/{CACHED_PICTURES}", *LOGS),
    lambda config: names_program(config) and config.get("stage") == "train",
)


class RunState(Enum):
    """What an output folder is before the run starts."""

    FRESH = "fresh"
    STARTED = "started"
    FINISHED = "finished"


def inspect_folder(
    folder: Path, config: RunConfig, *, force: bool, inputs: Sequence[Path] = ()
) -> RunState:
    """Say what `folder` is for this run; changes nothing.

    Args:
        folder: where the run is to be.
        config: what the run is.
        force: an earlier run may be replaced, and nothing else.
        inputs: what the run reads, which is never replaced.

    Raises:
        CdulEdgeError: something other than a run is there, or one of the inputs; without `force`, a
            run of other settings or labels.
    """
    if folder.exists() and not folder.is_dir():
        raise CdulEdgeError(f"{folder} is a file: choose another --out")
    held = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    other = [name for name in held if name not in (LOCK, CACHE)]
    if not other:
        return RunState.FRESH
    if force:
        require_own(folder, RUN_FOLDER, inputs)
        return RunState.FRESH
    if CONFIG not in other:
        raise CdulEdgeError(
            f"{folder} is not empty and holds no run (such as {other[0]}): choose another --out"
        )
    differing = RunConfig.read(folder).differences(config)
    if differing:
        raise CdulEdgeError(
            f"{folder} holds a run of other settings: {', '.join(differing)}: choose another "
            "--out, or replace it with --force"
        )
    return RunState.FINISHED if (folder / SUMMARY).is_file() else RunState.STARTED


def begin(folder: Path, config: RunConfig) -> None:
    """Start a run: remove what an earlier run left, write config.json."""
    remove_own(folder, RUN_FOLDER, keep=folder / CACHE)
    replace(config, resizers=extend_record((), lambda line: None)).write(folder)


def go_on(folder: Path, console: Console) -> None:
    """Note in config.json what resizes the pictures of a run that is taken up again."""
    before = RunConfig.read(folder).resizers
    resizers = extend_record(before, console.say)
    if resizers != before:  # nothing else changes, of what an earlier version wrote either
        write_json(folder / CONFIG, {**read_json(folder / CONFIG), "resizers": list(resizers)})


def finish(
    folder: Path,
    refined: PseudoLabels,
    scored: PseudoLabels | None,
    reference: ScoreReference,
    summary: RunSummary,
) -> None:
    """Write labels, scores and, last, the summary of a finished run."""
    refined.write(folder / REFINED)
    reference.write(folder / SCORE_REFERENCE)
    if scored is not None:
        scored.write(folder / HELD_OUT)
    write_json(folder / SUMMARY, summary.to_dict())
    for file in (folder / CACHE).glob(CACHED_PICTURES):
        file.unlink()
    with suppress(OSError):  # there is none, or something in it is not ours
        (folder / CACHE).rmdir()


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
        score_reference: how its scores of those pictures are distributed; None of an earlier
            version's run.
    """

    network: torch.nn.Module
    classes: ClassList
    preprocess: Preprocess
    thresholds: npt.NDArray[np.float32]
    pictures: PictureList
    provenance: dict[str, Any]
    score_reference: ScoreReference | None = None


def load_run(folder: Path) -> TrainedRun:
    """Read a finished run; no weights are downloaded and no picture is opened.

    Raises:
        CdulEdgeError: no run, one that is not finished, or a checkpoint of other classes.
    """
    if not (folder / CONFIG).is_file():
        raise CdulEdgeError(
            f"{folder} is not a run: make one with `cdul-edge train LABELS --out RUN`"
        )
    config = RunConfig.read(folder)
    if not (folder / SUMMARY).is_file():
        raise CdulEdgeError(
            f"the run {folder} is not finished: the same `cdul-edge train` command resumes it"
        )
    checkpoint = Checkpoint.read(folder)
    checkpoint.check_classes(config.classes, folder)
    thresholds = thresholds_from_json(read_summary(folder).thresholds)
    if len(thresholds) != len(config.classes):
        raise CdulEdgeError(
            f"{folder / SUMMARY} has {len(thresholds)} thresholds for {len(config.classes)} "
            "classes: train again with --force"
        )
    plan = checkpoint.read_plan(folder)
    network = rebuild_network(plan, len(config.classes))
    load_weights(network, checkpoint.result, folder / CHECKPOINT)
    return TrainedRun(
        network=network.eval().requires_grad_(False),
        classes=config.classes,
        preprocess=plan.preprocess,
        thresholds=thresholds,
        pictures=read_run_pictures(folder),
        provenance={
            "program": "cdul-edge",
            "version": __version__,
            "stage": "train",
            "settings": config.settings.to_dict(),
            "labels_sha256": config.labels_sha256,
            "checkpoint_sha256": sha256_file(folder / CHECKPOINT),
            "epochs": checkpoint.epoch,
            "resizers": list(config.resizers),
        },
        score_reference=_read_score_reference(folder, config.classes),
    )


def _read_score_reference(folder: Path, classes: ClassList) -> ScoreReference | None:
    file = folder / SCORE_REFERENCE
    if not file.is_file():
        return None
    try:
        return ScoreReference.read(file, classes)
    except CdulEdgeError as error:
        raise CdulEdgeError(
            f"{error}: remove it to export without it, or train again with --force"
        ) from error


def read_run_pictures(folder: Path) -> PictureList:
    """The training pictures of a finished run, which need not be there any more.

    Raises:
        CdulEdgeError: the run's labels cannot be read.
    """
    refined = PseudoLabels.read(folder / REFINED)
    return PictureList(refined.folder, refined.paths)


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
        weights = read_tensors(file)
    except TensorFileError as error:
        raise CdulEdgeError(
            f"{file} is damaged ({error}): remove it to do without, or train again"
        ) from error
    load_weights(network, weights, file)
    return True

"""The state of a run in one file, readable without running code from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cdul_edge.clip.tensor_files import TensorFileError, read_tensors
from cdul_edge.training.networks.network import NetworkPlan
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import atomic_write
from cdul_edge_runtime.host.json_record import RecordError, parse_record

FORMAT = 1
FILE_NAME = "checkpoint.pt"

# How earlier checkpoints spell their parts.
_OLD_NAMES = {"optimiser": "optimizer"}


@dataclass(frozen=True)
class Checkpoint:
    """Everything that the next epoch depends on; tensors and plain values only.

    Attributes:
        epoch: epochs done.
        step: optimizer steps done; the learning rate follows from it.
        network, optimizer, method: their state dicts.
        ema: running mean of the weights, or None.
        scaler: state of fp16's loss scale; empty in other formats.
        rng: "torch" and "draws" (shuffling, augmentation) generator states, and "cuda" on a GPU.
        classes: class names in column order.
        plan: network family, shape and preprocessing, to rebuild the network.
        settings: the run's settings.
        labels_sha256: digest of the pseudo-labels.
        scaled_head: the last layer of a finished run whose scores were made probabilities, by name;
            beside the trained one, so that a run that was stopped right then ends alike.
    """

    epoch: int
    step: int
    network: dict[str, Tensor]
    optimizer: dict[str, Any]
    method: Mapping[str, Any]
    ema: dict[str, Tensor] | None
    scaler: dict[str, Any]
    rng: dict[str, Tensor]
    classes: list[str]
    plan: Mapping[str, Any]
    settings: Mapping[str, object]
    labels_sha256: str
    scaled_head: dict[str, Tensor] = field(default_factory=dict)  # younger than the format

    @property
    def result(self) -> dict[str, Tensor]:
        """The weights that count: the running mean where there is one, with the scaled head."""
        return {**(self.network if self.ema is None else self.ema), **self.scaled_head}

    def write(self, folder: Path) -> None:
        """Write `checkpoint.pt` atomically; the same state gives the same bytes."""
        write_tensors(folder / FILE_NAME, {"format": FORMAT, **_fields(self)})

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """Read it onto the CPU.

        Raises:
            CdulEdgeError: none there, a damaged one, or one of another format.
        """
        file = folder / FILE_NAME
        if not file.is_file():
            raise CdulEdgeError(f"{file} does not exist: {folder} is no run of `cdul-edge train`")
        try:
            content = read_tensors(file)
        except TensorFileError as error:
            raise CdulEdgeError(f"{file} is damaged ({error}): train again with --force") from error
        if not isinstance(content, dict) or "format" not in content:
            raise CdulEdgeError(f"{file} is not a checkpoint of cdul-edge: train again")
        if content["format"] != FORMAT:
            raise CdulEdgeError(
                f"{file} has format {content['format']}, this program reads {FORMAT}: train again, "
                "or use the program that made it"
            )
        named = {_OLD_NAMES.get(name, name): part for name, part in content.items()}
        try:
            return parse_record(cls, named)
        except RecordError as error:
            raise CdulEdgeError(f"{file} is damaged ({error}): train again with --force") from error

    @classmethod
    def find(cls, folder: Path, classes: ClassList) -> Checkpoint | None:
        """That of a run to be resumed; None where it was interrupted in its first epoch.

        Raises:
            CdulEdgeError: as `read` and `check_classes` say.
        """
        if not (folder / FILE_NAME).is_file():
            return None
        checkpoint = cls.read(folder)
        checkpoint.check_classes(classes, folder)
        return checkpoint

    def read_plan(self, folder: Path) -> NetworkPlan:
        """How to build the network of the run in `folder`; `CdulEdgeError` where it is damaged."""
        try:
            return NetworkPlan.from_dict(self.plan)
        except CdulEdgeError as error:
            raise CdulEdgeError(
                f"{folder / FILE_NAME} is damaged ({error}): train again with --force"
            ) from error

    def check_classes(self, classes: ClassList, folder: Path) -> None:
        """Raise `CdulEdgeError` where it was trained for other classes."""
        if self.classes != list(classes):
            raise CdulEdgeError(
                f"{folder / FILE_NAME} was trained for the {len(self.classes)} classes "
                f"{_shorten(self.classes)}, but these are {_shorten(list(classes))}: use the "
                "labels it was trained on, or another --out"
            )


def load_weights(network: nn.Module, weights: object, file: Path) -> None:
    """Fill `network` with what was read from `file`; `CdulEdgeError` where it does not fit."""
    if not isinstance(weights, dict) or not all(isinstance(w, Tensor) for w in weights.values()):
        raise CdulEdgeError(f"{file} holds no weights: train again with --force")
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise CdulEdgeError(f"{file} is damaged ({reason}): train again with --force") from error


def write_tensors(file: Path, content: Mapping[str, object]) -> None:
    """Write tensors and plain values atomically; the same content gives the same bytes."""
    # An open file: torch writes a path's own name into the archive, and ours is temporary.
    with atomic_write(file) as temporary, temporary.open("wb") as sink:
        try:
            torch.save(content, sink)
        except RuntimeError as error:
            hidden = error.__context__  # torch hides a full disk, and Ctrl-C
            if isinstance(hidden, (OSError, KeyboardInterrupt)):
                raise hidden from error
            raise


def _fields(checkpoint: Checkpoint) -> dict[str, Any]:
    return {name: getattr(checkpoint, name) for name in checkpoint.__dataclass_fields__}


def _shorten(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown}, ..." if len(names) > 4 else shown

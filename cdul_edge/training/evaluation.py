"""Logits of many pictures, and what they are worth where someone knows the truth.

Nothing here feeds back into training: truth is for reporting only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cdul_edge.training.config import Precision
from cdul_edge.training.data.augmentation import to_network
from cdul_edge.training.data.dataset import DataOptions, Pictures, open_pictures
from cdul_edge.training.optimization import autocast
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.metrics import Truth, evaluate_scores
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.metrics.truth_formats import Difficult
from cdul_edge_runtime.pictures.images import find_images
from cdul_edge_runtime.pictures.preprocess import Preprocess

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class EvaluationOptions:
    """What to report against; the method never sees any of it.

    Attributes:
        val: held-out pictures, as `label` takes pictures.
        truth: their truth.
        train_truth: truth of the training pictures, to report the pseudo-labels' mAP.
        difficult: what VOC's difficult objects count as.

    Raises:
        CdulEdgeError: one of `val` and `truth` without the other.
    """

    val: Path | None = None
    truth: Path | None = None
    train_truth: Path | None = None
    difficult: Difficult = "negative"

    def __post_init__(self) -> None:
        if (self.val is None) != (self.truth is None):
            raise CdulEdgeError(
                "--val and --truth go together: held-out pictures and what they show "
                "(the truth of the training pictures is --train-truth)"
            )


@dataclass(frozen=True)
class Yardstick:
    """The truth of a run, which the method never sees: it turns logits into reported numbers.

    Attributes:
        classes: names of the C columns.
        held_out, held_out_truth: V pictures that training never sees, and (V, C) truth.
        train_truth: (N, C) truth of the training pictures.
    """

    classes: ClassList
    held_out: Pictures | None = None
    held_out_truth: Truth | None = None
    train_truth: Truth | None = None

    def of_epoch(self, predict: Callable[[Pictures], Tensor], targets: Tensor) -> dict[str, Any]:
        """An epoch's numbers in percent, at score 0.5; empty where there is no truth.

        Args:
            predict: pictures to logits.
            targets: (N, C) current pseudo-labels.
        """
        found: dict[str, Any] = {}
        if self.train_truth is not None:
            found["pseudo_labels"] = {"map": self.labels_map(targets.numpy())}
        if self.held_out is not None and self.held_out_truth is not None:
            scores = score(predict(self.held_out))
            metrics = self._metrics(scores, self.held_out_truth)
            found["val"] = {k: metrics[k] for k in ("map", "cf1", "of1", "hamming")}
        return found

    def of_run(
        self,
        predict: Callable[[Pictures], Tensor],
        *,
        train_logits: Tensor,
        first: Scores,
        last: Scores,
        thresholds: Scores,
    ) -> dict[str, Any]:
        """A run's numbers: labels before and after, the network on both sets at `thresholds`."""
        found: dict[str, Any] = {}
        if self.train_truth is not None:
            before, after = self.labels_map(first), self.labels_map(last)
            found["pseudo_labels"] = {"map_first": before, "map_last": after}
            found["train"] = self._metrics(score(train_logits), self.train_truth, thresholds)
        if self.held_out is not None and self.held_out_truth is not None:
            scores = score(predict(self.held_out))
            found["val"] = self._metrics(scores, self.held_out_truth, thresholds)
        return found

    def labels_map(self, labels: Scores) -> float | None:
        """mAP in percent of (N, C) labels of the training pictures."""
        assert self.train_truth is not None
        value: float | None = self._metrics(labels, self.train_truth)["map"]
        return value

    def _metrics(
        self, scores: Scores, truth: Truth, thresholds: Scores | None = None
    ) -> dict[str, Any]:
        if thresholds is None:
            thresholds = np.full(len(self.classes), 0.5, np.float32)
        return evaluate_scores(scores, truth, self.classes, thresholds).to_dict()


def open_yardstick(
    options: EvaluationOptions,
    classes: ClassList,
    train_paths: tuple[str, ...],
    preprocess: Preprocess,
    data: DataOptions,
    *,
    scratch: Path,
) -> Yardstick:
    """Read the truth files, and decode the held-out pictures."""
    held_out = held_out_truth = train_truth = None
    if options.train_truth is not None:
        table = read_truth(options.train_truth, difficult=options.difficult)
        train_truth = table.for_paths(train_paths, classes)
    if options.val is not None and options.truth is not None:
        listed = find_images(options.val)
        table = read_truth(options.truth, difficult=options.difficult)
        held_out_truth = table.for_paths(listed.paths, classes)
        mend = "mend it, or take it out of --val"
        held_out = open_pictures(listed, preprocess, data, scratch=scratch, mend=mend)
    return Yardstick(classes, held_out, held_out_truth, train_truth)


@torch.no_grad()
def predict_logits(
    network: nn.Module,
    pictures: Pictures,
    preprocess: Preprocess,
    *,
    batch_size: int,
    device: torch.device,
    precision: Precision,
) -> Tensor:
    """(N, C) float32 logits on the CPU, evaluation mode; the network's mode is put back."""
    was_training = network.training
    network.eval()
    logits = []
    batches = torch.split(torch.arange(len(pictures)), batch_size)
    for images in pictures.batches(batches):
        prepared = to_network(images.to(device, non_blocking=True), preprocess)
        with autocast(device, precision):
            answer = network(prepared)
        logits.append(answer.float().cpu())
    network.train(was_training)
    return torch.cat(logits)


def score(logits: Tensor) -> Scores:
    """Logits to scores in [0, 1]."""
    scores: Scores = torch.sigmoid(logits).numpy()
    return scores

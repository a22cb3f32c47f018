"""Logits of many pictures, and what they are worth where someone knows the truth.

Nothing here feeds back into training: truth is for reporting only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from cdul_edge.labels.pseudo_labels import SCORES_OF_NETWORK, PseudoLabels
from cdul_edge.training.config import Precision
from cdul_edge.training.data.augmentation import to_network
from cdul_edge.training.data.dataset import Pictures, open_pictures
from cdul_edge.training.data.read_ahead import read_batches
from cdul_edge.training.optimization import autocast
from cdul_edge.training.ranks import ALONE, Ranks
from cdul_edge.training.request import DataOptions, EvaluationOptions
from cdul_edge.training.summary import HeldOut
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.metrics.metrics import MetricsReport, Truth, evaluate_scores
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import PictureList, find_images
from cdul_edge_runtime.pictures.preprocess import Preprocess

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Yardstick:
    """The truth of a run, which the method never sees: it turns logits into reported numbers.

    Attributes:
        classes: Names of the C columns.
        held_out, held_out_truth: V pictures that training never sees, and (V, C) truth.
        listed: Where the held-out pictures lie.
        train_truth: (N, C) truth of the training pictures.
    """

    classes: ClassList
    held_out: Pictures | None = None
    listed: PictureList | None = None
    held_out_truth: Truth | None = None
    train_truth: Truth | None = None

    def labels_map(self, labels: Scores) -> float | None:
        """mAP in percent of (N, C) labels of the training pictures; None without their truth."""
        if self.train_truth is None:
            return None
        return self._evaluate(labels, self.train_truth).map

    def on_training_pictures(self, logits: Tensor, thresholds: Scores) -> MetricsReport | None:
        """Metrics of (N, C) logits at (C,) thresholds; None without truth."""
        if self.train_truth is None:
            return None
        return self._evaluate(score(logits), self.train_truth, thresholds)

    def score_held_out(
        self, predict: Callable[[Pictures], Tensor], thresholds: Scores
    ) -> PseudoLabels | None:
        """The network's scores of the held-out pictures, with thresholds that use no truth."""
        if self.held_out is None or self.listed is None:
            return None
        scores = score(predict(self.held_out))
        listed, about = self.listed, {"stage": "train", "scores_of": SCORES_OF_NETWORK}
        return PseudoLabels(listed.root, listed.paths, self.classes, scores, thresholds, about)

    def judge_held_out(self, scored: PseudoLabels | None) -> MetricsReport | None:
        """Metrics of what `score_held_out` gave, at its thresholds."""
        if scored is None or self.held_out_truth is None:
            return None
        return self._evaluate(scored.scores, self.held_out_truth, scored.thresholds)

    def held_out_line(self, predict: Callable[[Pictures], Tensor]) -> HeldOut | None:
        """The held-out pictures' part of an epoch's line, at 0.5; None where there are none."""
        halves = np.full(len(self.classes), 0.5, np.float32)
        report = self.judge_held_out(self.score_held_out(predict, halves))
        if report is None:
            return None
        return HeldOut(report.map, report.cf1, report.of1, report.hamming)

    def _evaluate(
        self, scores: Scores, truth: Truth, thresholds: Scores | None = None
    ) -> MetricsReport:
        if thresholds is None:
            thresholds = np.full(len(self.classes), 0.5, np.float32)
        return evaluate_scores(scores, truth, self.classes, thresholds)


def open_yardstick(
    options: EvaluationOptions,
    labels: PseudoLabels,
    preprocess: Preprocess,
    data: DataOptions,
    *,
    scratch: Path,
    ranks: Ranks = ALONE,
) -> Yardstick:
    """Read the truth files, and decode the held-out pictures."""
    held_out = listed = held_out_truth = train_truth = None
    classes = labels.classes
    if options.train_truth is not None:
        table = read_truth(options.train_truth, difficult=options.difficult)
        train_truth = table.for_paths(labels.paths, classes, labels.local_root)
    if options.val is not None and options.truth is not None:
        listed = find_images(options.val)
        table = read_truth(options.truth, difficult=options.difficult)
        held_out_truth = table.for_paths(listed.paths, classes, listed.root)
        remedy = "repair it, or take it out of --val"
        held_out = open_pictures(
            listed, preprocess, data, scratch=scratch, remedy=remedy, ranks=ranks
        )
    return Yardstick(classes, held_out, listed, held_out_truth, train_truth)


@torch.no_grad()
def predict_logits(
    network: nn.Module,
    pictures: Pictures,
    preprocess: Preprocess,
    *,
    batch_size: int,
    device: torch.device,
    precision: Precision,
    ranks: Ranks = ALONE,
) -> Tensor:
    """(N, C) float32 logits on the CPU, evaluation mode; the network's mode is put back.

    Ranks share whole batches, so that each is computed as one process would.
    """
    was_training = network.training
    network.eval()
    logits = []
    batches = torch.split(torch.arange(len(pictures)), batch_size)
    for images in read_batches(pictures, batches[ranks.bounds(len(batches))], device):
        with autocast(device, precision):
            answer = network(to_network(images, preprocess))
        logits.append(answer.float())
    network.train(was_training)
    own = torch.cat(logits).cpu() if logits else None  # at once: a GPU would stop for each
    return ranks.gather_batches(own, [len(batch) for batch in batches])


def score(logits: Tensor) -> Scores:
    """Logits to scores in [0, 1]."""
    scores: Scores = torch.sigmoid(logits).numpy()
    return scores

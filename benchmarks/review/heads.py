"""Linear heads on frozen features of EfficientNet-Lite0: all photographs, in seconds a run.

What a method makes of its labels is seen at once, and nothing else differs; corrections of labels,
losses, and thresholds are those of `train`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmarks.measured_rows.figures import Measured
from benchmarks.measured_rows.row import Setting
from benchmarks.observed_gain import BATCH, EPOCHS, RATE, see
from benchmarks.review.arms import measure_arms
from benchmarks.review.real import open_photographs
from benchmarks.review.reviewed import World, Worth, judge
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.subset import PRESENT, choose_pictures
from cdul_edge.training import TrainConfig
from cdul_edge.training.data.corrected_labels import correct_labels
from cdul_edge.training.data.observed import open_observed
from cdul_edge.training.methods import make_method
from cdul_edge.training.methods.base import Step
from cdul_edge.training.request import ObservedOptions
from cdul_edge.training.supervision import supervise
from cdul_edge.training.thresholds import Expected
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.pictures.images import find_images

_NOISE = 0.1  # of a feature's standard deviation, against learning by heart


@dataclass(frozen=True, eq=False)
class Seen:
    """What the frozen network sees.

    Attributes:
        own: (N, 1280) of the pictures to learn from, standardized.
        judges: (V, 1280) of those that judge, by the same standards.
        paths: V paths of those.
    """

    own: Tensor
    judges: Tensor
    paths: tuple[str, ...]


def measure_heads(setting: Setting) -> Measured:
    """The method of `train`, 20 epochs of the last layer alone."""
    world = open_photographs(setting)
    learn = partial(_learn, _see(world), EPOCHS if not setting.quick else 1)
    about = (
        "Linear heads on frozen features of EfficientNet-Lite0 at 224 px: 1,697 photographs to "
        "learn from, answers about the 855 with truth and eight classes, judged on 947 others. How "
        "answers correct labels was settled on halves of the 855."
    )
    return measure_arms(setting, lambda seed: world, learn, about)


def _see(world: World) -> Seen:
    labels, held = _choose(world, world.labels), find_images(world.val)
    own = _raw(labels.folder, labels.paths, world.work / "train-features.npy")
    judges = _raw(world.val, held.paths, world.work / "heldout-features.npy")
    mean, spread = own.mean(dim=0), own.std(dim=0) + 1e-3
    return Seen((own - mean) / spread, (judges - mean) / spread, held.paths)


def _raw(root: Path, paths: Sequence[str], file: Path) -> Tensor:
    """Features as the network gives them; `see` keeps them in the file."""
    see(root, paths, file)
    return torch.from_numpy(np.load(file))


def _choose(world: World, where: Path) -> PseudoLabels:
    return choose_pictures(PseudoLabels.read(where), images=world.images, only=PRESENT).labels


def _learn(
    seen: Seen,
    epochs: int,
    world: World,
    seed: int,
    where: Path,
    answers: tuple[Path, ...],
    run: Path,
    correct: bool,
) -> Worth:
    """A head, judged with the thresholds that `train` finds."""
    labels, config = _choose(world, where), TrainConfig(epochs=epochs, seed=seed)
    people = open_observed(ObservedOptions(files=answers), labels, seed=seed)
    if people is not None and correct:
        labels = correct_labels(labels, people, SilentConsole())
    known = supervise(config, labels, people)
    method = make_method(config, known)
    torch.manual_seed(seed)
    head = nn.Linear(seen.own.shape[1], known.scores.shape[1])
    nn.init.normal_(head.weight, std=0.01)
    nn.init.constant_(head.bias, -np.log(known.scores.shape[1] - 1))
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=0.05)
    draws = torch.Generator().manual_seed(seed)
    steps = -(-len(seen.own) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps * epochs)
    for epoch in range(1, epochs + 1):
        for rows in torch.randperm(len(seen.own), generator=draws).tensor_split(steps):
            shown = seen.own[rows]
            shown = shown + _NOISE * torch.randn(shown.shape, generator=draws)
            step = Step(head(shown), rows, epoch, shown, head, partial(torch.clone, shown), draws)
            optimizer.zero_grad()
            method.loss(step).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    thresholds = Expected.of(labels, known).thresholds(_score(head, seen.own))
    return judge(world, seen.paths, _score(head, seen.judges), thresholds, labels.classes)


@torch.no_grad()
def _score(head: nn.Module, features: Tensor) -> npt.NDArray[np.float32]:
    scores: Tensor = torch.sigmoid(head(features))
    return scores.numpy()

"""What the loop asks of a training method; it knows none by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

import torch
from torch import Generator, Tensor

from cdul_edge.training.methods.settings import MethodSettings
from cdul_edge.training.transfer import bring
from cdul_edge_runtime.errors import CdulEdgeError


@dataclass(frozen=True)
class Supervision:
    """What is known of the labels of N pictures before training; all on the CPU.

    Attributes:
        scores: (N, C) float32 pseudo-labels in [0, 1].
        observed: (N, C) int8: 1 seen to be there, -1 seen not to be there, 0 unknown.
        cosines: (N, C) float32 CLIP similarities of the whole pictures, up to a constant per
            picture; None where the labels do not hold them.
        hard: round the pseudo-labels to 0 and 1.
        epochs: of the run.
        observed_only: no pseudo-label is a part of this: `scores` are as `know_observed_only` makes
            them, and only what was seen is positive.
    """

    scores: Tensor
    observed: Tensor
    cosines: Tensor | None
    hard: bool
    epochs: int
    observed_only: bool = False

    @property
    def targets(self) -> Tensor:
        """(N, C) pseudo-labels, hardened where that is asked, with the observed ones in place."""
        labels = harden(self.scores) if self.hard else self.scores.clone()
        return keep_observed(labels, self.observed)

    @property
    def positives(self) -> Tensor:
        """(N, C) bool: observed positives, and hardened pseudo-labels that nothing contradicts."""
        if self.observed_only:
            return self.observed > 0
        return keep_observed(harden(self.scores), self.observed) > 0.5


@dataclass(frozen=True)
class Step:
    """One mini-batch as a method's loss sees it.

    Where several ranks train together, it is the whole batch on every one of them, so that each
    finds the same loss and writes down the same: of B rows of logits, those of other ranks are
    numbers that no gradient flows through. The ranks' gradients then add up to those of one
    process, whatever the loss is: a mean, a sum, or a choice among all entries of the batch.

    Attributes:
        logits: (B, C) float32, on the training device, with the graph of this rank's rows.
        indices: (B,) int64 picture numbers on the CPU.
        epoch: the epoch that runs, from 1.
        images: (B, 3, H, W) what the network was shown: augmented and normalized. With several
            ranks only for a method that `reads_pictures`.
        network: another pass in training mode, (B', 3, H, W) to (B', C) float32 with gradients;
            each rank computes its share of the B' rows.
        another_view: the same pictures, augmented again; (B, 3, H, W), as `images`.
        draws: generator for the method's own random choices; the same on every rank.
    """

    logits: Tensor
    indices: Tensor
    epoch: int
    images: Tensor
    network: Callable[[Tensor], Tensor]
    another_view: Callable[[], Tensor]
    draws: Generator

    def rows(self, values: Tensor) -> Tensor:
        """The batch's rows of an (N, ...) tensor, on the device of the logits."""
        return bring(values[self.indices], self.logits.device)


@dataclass(frozen=True)
class Regions:
    """Where CLIP is to look again.

    Attributes:
        wanted: (N, C) bool: the classes whose place in a picture is looked at.
        share: Fraction of the range of a class activation map from which a place belongs to the
            region.
        grow: Fraction of the input's side by which the region's box grows on every side.
    """

    wanted: Tensor
    share: float
    grow: float


class EpochEnd(Protocol):
    """What a method can ask for between two epochs; nothing is computed unless it asks."""

    def logits(self) -> Tensor:
        """(N, C) float32 on the CPU: evaluation mode, unaugmented training pictures."""
        ...

    def look(self, regions: Regions) -> Tensor:
        """Let CLIP look at regions of the training pictures; only in a method's `look_epoch`.

        Returns:
            (N, C) float32 on the CPU: each class's best softmax value over a picture's regions; a
            row of zeros where no region was wanted.
        """
        ...


# Attributes of a method that change while it trains, as a checkpoint holds them.
State = Mapping[str, Tensor | bool | int | float | str | None]
# What a method logs about a revision of its labels, by name.
Log = dict[str, float | str]

SettingsT = TypeVar("SettingsT", bound=MethodSettings, covariant=True)


class Method(Generic[SettingsT]):
    """Owns the labels that the network learns from.

    A method is told of every batch, and may write down what it saw, but its labels change between
    epochs only: an epoch then does not depend on the order of its batches. Nor does it know of
    ranks: each keeps all of a method's state, and is told of whole batches (see `Step`).

    Attributes:
        targets: (N, C) float32 in [0, 1] on the CPU; the labels as the method now believes them.
        look_epoch: The epoch after which the method lets CLIP look at regions; None is never.
    """

    Settings: ClassVar[type[MethodSettings]] = MethodSettings
    # Whether a fresh head starts at scores of 1/2 instead of 1/C: where nothing is taken for
    # absent, the positives would first have to pull all scores up together.
    undecided: ClassVar[bool] = False
    # Whether pictures may be mixed: the loss reads nothing of a step but its logits and the labels
    # of its pictures, and remembers nothing of it.
    mixes: ClassVar[bool] = False
    # Attributes that a checkpoint holds: tensors and plain values that change while it trains.
    state: ClassVar[tuple[str, ...]] = ("targets",)

    targets: Tensor
    look_epoch: int | None = None

    def __init__(self, supervision: Supervision, settings: SettingsT) -> None:
        self.supervision, self.settings = supervision, settings
        self.targets = supervision.targets

    @property
    def reads_pictures(self) -> bool:
        """Whether its loss reads `Step.images`, or shows the network others.

        Every one of several ranks then prepares the pictures of the whole batch, not only its own.
        """
        return False

    def loss(self, step: Step) -> Tensor:
        """A scalar to minimize."""
        raise NotImplementedError

    def after_epoch(self, epoch: int, context: EpochEnd) -> Log:
        """Revise the labels after an epoch, counted from 1; returns what to log."""
        return {}

    def state_dict(self) -> State:
        """Tensors and plain values, enough to resume from here."""
        return {name: getattr(self, name) for name in self.state}

    def load_state_dict(self, state: State) -> None:
        """Take up what `state_dict` gave."""
        for name in self.state:
            setattr(self, name, state[name])


# A method of whatever settings, as the loop sees it.
AnyMethod = Method[MethodSettings]


def harden(scores: Tensor) -> Tensor:
    """Soft labels (N, C) to 0 or 1: at 0.5, plus the best class of a row that would be empty."""
    hard = scores >= 0.5
    empty = ~hard.any(dim=1)
    best = scores.argmax(dim=1)
    hard[empty, best[empty]] = True
    return hard.to(torch.float32)


def keep_observed(labels: Tensor, observed: Tensor) -> Tensor:
    """(N, C) labels with 1 where a class was observed, and 0 where its absence was."""
    return labels.where(observed == 0, (observed > 0).to(labels.dtype))


def binary_entropy(labels: Tensor) -> Tensor:
    """Entropy in nats of each entry in [0, 1]; exactly 0 at 0 and 1."""
    return -(torch.xlogy(labels, labels) + torch.xlogy(1 - labels, 1 - labels))


def require_positives(supervision: Supervision, method: str) -> Tensor:
    """`supervision.positives`, which must not be empty."""
    positives = supervision.positives
    if not bool(positives.any()):
        raise CdulEdgeError(
            f"the method {method} learns from positive labels, and there are none: give --observed"
        )
    return positives

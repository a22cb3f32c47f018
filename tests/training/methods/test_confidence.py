"""Sure labels first: weights, thresholds and what both methods keep of observed labels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.methods.confidence import ConfidenceSettings, ConfidentLabels, ease, margins
from cdul_edge.training.methods.g2netpl import G2netplSettings, LabelGame
from cdul_edge.training.methods.plmcl import MomentumCurriculum, PlmclSettings
from tests.fakes.method_inputs import Ended, know, take

AnyConfident = ConfidentLabels[ConfidenceSettings]
Kind = type[AnyConfident]
BOTH = pytest.mark.parametrize("kind", [MomentumCurriculum, LabelGame])

# Margins 1, 0.2, 0.6 and 0.6, 0, 0.8: class means 0.8, 0.1, 0.7.
SCORES = torch.tensor([[1.0, 0.4, 0.8], [0.2, 0.5, 0.1]])


def make(
    kind: Kind, scores: Tensor, observed: Tensor | None = None, epochs: int = 10, **settings: Any
) -> AnyConfident:
    given = {"label_warmup": 1, "freeze_after": 1.0, "label_floor": 1e-6, **settings}
    chosen = (PlmclSettings if kind is MomentumCurriculum else G2netplSettings)(**given)
    return kind(know(scores, observed, epochs=epochs), chosen)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def counted(method: AnyConfident, epoch: int) -> Tensor:
    """(N, C) bool: the entries that the loss of an epoch has a gradient for."""
    logits = torch.full(method.targets.shape, 7.0, requires_grad=True)
    (gradient,) = torch.autograd.grad(method.loss(take(logits, epoch=epoch)), logits)
    return gradient != 0


def test_margins_by_hand() -> None:
    found = margins(torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    assert found.tolist() == [1.0, 0.5, 0.0, 0.5, 1.0]


def test_thresholds_fall_from_the_mean_margins_to_zero() -> None:
    mean = torch.tensor([0.8, 0.4])
    torch.testing.assert_close(ease(mean, 1, 4, 1.0), torch.tensor([0.6, 0.3]))
    torch.testing.assert_close(ease(mean, 2, 4, 2.0), torch.tensor([0.2, 0.1]))
    assert ease(mean, 4, 4, 1.0).tolist() == [0.0, 0.0]
    assert ease(torch.tensor([1.0 + 1e-6]), 0, 4, 1.0).tolist() == [1.0]


@BOTH
def test_the_first_thresholds_are_the_labels_own_mean_margins(kind: Kind) -> None:
    method = make(kind, SCORES, easy_power=1.0)
    torch.testing.assert_close(
        method.mean_margins, torch.tensor([0.8, 0.1, 0.7]), rtol=0, atol=1e-5
    )
    # Epoch 1 of 10: thresholds 0.72, 0.09, 0.63.
    assert counted(method, 1).tolist() == [[True, True, False], [False, False, True]]


@BOTH
def test_the_mean_margins_are_those_that_the_unknown_entries_showed_in_the_last_epoch(
    kind: Kind,
) -> None:
    observed = torch.tensor([[1, 0, 0], [0, 0, -1], [0, 0, 1]])
    scores, logits = torch.full((3, 3), 0.5), draw(3, 3, seed=1)
    method = make(kind, scores, observed)
    shown = (2 * torch.sigmoid(logits) - 1).abs()
    for rows in ([2, 0], [1]):  # two batches
        method.loss(take(logits[rows], torch.tensor(rows)))
    method.after_epoch(1, Ended(logits))
    expected = [shown[1:, 0].mean(), shown[:, 1].mean(), shown[0, 2]]
    torch.testing.assert_close(method.mean_margins, torch.stack(expected))
    method.loss(take(logits[[2, 0]], torch.tensor([2, 0])))  # the picture between is set aside
    method.after_epoch(2, Ended(logits))
    expected = [shown[2, 0], shown[[0, 2], 1].mean(), shown[0, 2]]
    torch.testing.assert_close(method.mean_margins, torch.stack(expected))


@BOTH
def test_more_and_more_labels_count_and_in_the_last_epoch_all(kind: Kind) -> None:
    method = make(kind, torch.sigmoid(2 * draw(40, 5)))
    before = torch.zeros(40, 5, dtype=torch.bool)
    for epoch in range(1, 11):
        now = counted(method, epoch)
        assert bool((now | ~before).all())
        before = now
    assert bool(before.all())
    assert not bool(counted(method, 1).all())


@BOTH
def test_observed_labels_count_from_the_start_and_are_never_revised(kind: Kind) -> None:
    observed = torch.tensor([[1, -1, 0], [0, 1, 0]])
    scores = torch.tensor([[0.2, 0.7, 0.5], [0.9, 0.5, 0.9]])
    method = make(kind, scores, observed)
    assert bool(counted(method, 1)[observed != 0].all())
    for epoch in range(1, 5):
        method.after_epoch(epoch, Ended(torch.tensor([[-3.0, 3.0, 3.0], [1.0, -4.0, -2.0]])))
    assert method.targets[observed != 0].tolist() == [1.0, 0.0, 1.0]
    assert float(method.targets[0, 2]) > 0.5


@BOTH
def test_the_loss_is_the_mean_over_all_entries_of_those_that_count(kind: Kind) -> None:
    method, logits = make(kind, SCORES), draw(2, 3)
    counts = counted(method, 1)
    entries = F.binary_cross_entropy_with_logits(logits, method.targets, reduction="none")
    loss = method.loss(take(logits))
    torch.testing.assert_close(loss, entries[counts].sum() / 6)
    plain = make(kind, SCORES, easy_first=False)
    torch.testing.assert_close(plain.loss(take(logits)), entries.mean())


@BOTH
@pytest.mark.parametrize("axis", [0, 1])
def test_permuting_classes_or_pictures_permutes_the_labels(kind: Kind, axis: int) -> None:
    scores, logits = torch.sigmoid(draw(6, 6)), draw(6, 6, seed=1)
    order = torch.tensor([2, 0, 5, 3, 1, 4])
    plain = make(kind, scores)
    other = make(kind, scores.index_select(axis, order))
    for epoch in (1, 2):
        plain.loss(take(logits))
        other.loss(take(logits.index_select(axis, order)))
        plain.after_epoch(epoch, Ended(logits))
        other.after_epoch(epoch, Ended(logits.index_select(axis, order)))
    torch.testing.assert_close(other.targets, plain.targets.index_select(axis, order))
    columns = order if axis == 1 else torch.arange(6)
    torch.testing.assert_close(other.mean_margins, plain.mean_margins[columns])


@BOTH
def test_a_state_that_was_saved_and_loaded_goes_on_alike(kind: Kind) -> None:
    scores, logits = torch.sigmoid(draw(5, 3)), draw(5, 3, seed=1)
    one, other = make(kind, scores), make(kind, torch.full((5, 3), 0.5))
    one.loss(take(logits))
    one.after_epoch(1, Ended(logits))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.targets, other.targets)
    for method in (one, other):
        method.loss(take(2 * logits, epoch=2))
        method.after_epoch(2, Ended(2 * logits))
    assert torch.equal(one.targets, other.targets)
    assert torch.equal(one.mean_margins, other.mean_margins)
    assert torch.equal(one.loss(take(logits, epoch=3)), other.loss(take(logits, epoch=3)))


@BOTH
def test_labels_of_zero_and_one_have_finite_latents_and_stay_within_them(kind: Kind) -> None:
    method = make(kind, torch.tensor([[0.0, 1.0]]), label_floor=1e-3)
    assert method.latents[0].tolist() == pytest.approx([-6.9068, 6.9068], abs=1e-3)
    for epoch in range(1, 200):
        method.after_epoch(epoch, Ended(torch.tensor([[-90.0, 90.0]])))
    torch.testing.assert_close(method.targets, torch.tensor([[1e-3, 1 - 1e-3]]))

"""`role`: both halves of its loss, the estimator's step against autograd, and when labels move."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.methods.role import (
    OnlineLabelEstimation,
    RoleSettings,
    count_penalty,
    half_loss,
    move_latents,
)
from tests.fakes.method_inputs import Ended, know, take


def make(scores: Tensor, observed: Tensor | None = None, **settings: Any) -> OnlineLabelEstimation:
    return OnlineLabelEstimation(know(scores, observed), RoleSettings(**settings))


def draw(*shape: int, seed: int = 0) -> Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def show(method: OnlineLabelEstimation, logits: Tensor, *batches: list[int]) -> None:
    """An epoch: the rows of `logits` of each batch in turn, then the epoch's end."""
    for rows in batches:
        method.loss(take(logits[rows], torch.tensor(rows)))
    method.after_epoch(1, Ended())


def test_half_of_the_loss_by_hand() -> None:
    # a = 1/2 everywhere, so every cross-entropy is log 2; one of four entries is positive, which
    # adds log 2 / 4. Row sums are 1, two classes: R = (1 - 1.5)^2 / 4 = 0.0625.
    positives = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    partner = torch.tensor([[0.9, 0.3], [0.2, 0.6]])
    found = half_loss(torch.zeros(2, 2), partner, positives, 1.5)
    assert float(found) == pytest.approx(1.25 * math.log(2) + 0.0625)


def test_the_count_penalty_is_of_the_batches_mean_row_sum() -> None:
    scores = torch.tensor([[0.9, 0.6, 0.5], [0.4, 0.3, 0.3]])  # rows sum to 2 and 1
    assert float(count_penalty(scores, 1.5)) == pytest.approx(0.0, abs=1e-12)
    assert float(count_penalty(scores, 0.9)) == pytest.approx(0.36 / 9)


def test_the_networks_gradient_is_half_of_what_the_equation_says() -> None:
    scores, logits = torch.sigmoid(draw(4, 3)), draw(4, 3, seed=1).requires_grad_()
    method = make(scores, draw(4, 3, seed=2).sign(), k_bar=1.2)
    assert method.positives.any()
    (found,) = torch.autograd.grad(method.loss(take(logits)), logits)
    p = torch.sigmoid(logits.detach())
    seen = -method.positives * (1 - p) / 12
    cross = (p - method.targets) / 12
    count = 2 / 9 * (p.sum(dim=1).mean() - 1.2) / 4 * p * (1 - p)
    torch.testing.assert_close(found, 0.5 * (seen + cross + count))


def test_no_gradient_reaches_the_labels_and_none_the_network_through_them() -> None:
    method = make(torch.sigmoid(draw(4, 3)))
    logits = draw(4, 3, seed=1).requires_grad_()
    method.loss(take(logits)).backward()  # type: ignore[no-untyped-call]
    assert not method.latents.requires_grad
    assert not method.targets.requires_grad
    method.after_epoch(1, Ended())
    assert not method.latents.requires_grad
    assert not method.targets.requires_grad


def test_at_the_first_labels_the_count_has_no_gradient() -> None:
    scores = torch.sigmoid(draw(5, 4))
    method = make(scores)
    p = method.latents.sigmoid().requires_grad_()  # p = e = S, and k is S's mean row sum
    (found,) = torch.autograd.grad(count_penalty(p, method.k_bar), p)
    torch.testing.assert_close(found, torch.zeros(5, 4), atol=1e-6, rtol=0)
    assert method.k_bar == pytest.approx(float(scores.sum(dim=1).mean()))


def test_the_estimators_step_is_the_gradient_of_the_other_half_for_one_picture() -> None:
    latents, logits = draw(1, 5).double(), draw(1, 5, seed=1).double()
    positives = torch.tensor([[1.0, 0, 0, 1, 0]], dtype=torch.float64)
    v = latents.clone().requires_grad_()
    (slope,) = torch.autograd.grad(half_loss(v, torch.sigmoid(logits), positives, 1.7), v)
    moved = move_latents(latents, logits, positives, rate=0.05, k_bar=1.7)
    torch.testing.assert_close(moved, latents - 0.05 * 5 * slope)


def test_one_step_by_hand() -> None:
    # v = 0 and z = log 3, so e = 1/2 and p = 3/4; two classes, k = 1: no excess.
    latents, logits = torch.zeros(1, 2), torch.full((1, 2), math.log(3))
    moved = move_latents(latents, logits, torch.tensor([[1.0, 0.0]]), rate=0.1, k_bar=1.0)
    # -(1/2 - 3/4) = 1/4, and 1/2 more for the positive.
    torch.testing.assert_close(moved, torch.tensor([[0.075, 0.025]]))
    # k = 0.5: an excess of 1/2 takes 2/2 * 1/2 * 1/4 = 1/8 off both.
    moved = move_latents(latents, logits, torch.tensor([[1.0, 0.0]]), rate=0.1, k_bar=0.5)
    torch.testing.assert_close(moved, torch.tensor([[0.0625, 0.0125]]))


def test_labels_move_once_a_picture_and_only_when_the_epoch_ends() -> None:
    scores, logits = torch.sigmoid(draw(4, 3)), draw(4, 3, seed=1)
    method = make(scores, k_bar=1.0)
    first = method.latents.clone()
    method.loss(take(logits[[2, 0]], torch.tensor([2, 0])))
    assert torch.equal(method.latents, first)
    log = method.after_epoch(1, Ended())
    expected = move_latents(first, logits, method.positives, rate=0.05, k_bar=1.0)
    torch.testing.assert_close(method.latents[[0, 2]], expected[[0, 2]])
    assert torch.equal(method.latents[[1, 3]], first[[1, 3]])
    assert log["label_change"] == pytest.approx(float((method.latents - first).abs().mean()))
    assert log["label_row_sum"] == pytest.approx(float(method.targets.sum(dim=1).mean()))
    assert method.after_epoch(2, Ended()) == {}


def test_the_batches_do_not_matter_to_the_labels() -> None:
    scores, logits = torch.sigmoid(draw(4, 3)), draw(4, 3, seed=1)
    one, other = make(scores), make(scores)
    show(one, logits, [0, 1, 2, 3])
    show(other, logits, [3, 1], [0, 2])
    torch.testing.assert_close(one.targets, other.targets)


def test_observed_labels_are_never_revised() -> None:
    observed = torch.tensor([[1, -1, 0], [0, 0, 0]])
    method = make(torch.tensor([[0.2, 0.7, 0.5], [0.9, 0.1, 0.1]]), observed, rate=1.0)
    assert method.targets[0].tolist() == [1.0, 0.0, 0.5]
    assert method.positives.tolist() == [[1.0, 0.0, 0.0], [0.0] * 3]
    for _ in range(3):
        show(method, torch.tensor([[-3.0, 3.0, 3.0], [0.0, 0.0, 0.0]]), [0, 1])
    assert method.targets[0, :2].tolist() == [1.0, 0.0]
    assert float(method.targets[0, 2]) > 0.6


def test_a_pseudo_label_is_an_estimate_and_does_not_count_as_seen() -> None:
    # Alike but for the first entry, which people saw in the second: -log p of one entry in four
    # more, half of it, and no other difference.
    scores, logits = torch.tensor([[1.0, 0.2], [0.1, 0.9]]), torch.zeros(2, 2)
    plain, seen = make(scores, k_bar=1.0), make(scores, torch.tensor([[1, 0], [0, 0]]), k_bar=1.0)
    gap = seen.loss(take(logits)) - plain.loss(take(logits))
    assert float(gap) == pytest.approx(0.5 * math.log(2) / 4, abs=1e-6)


def test_a_known_negative_costs_what_cross_entropy_says() -> None:
    observed = torch.tensor([[-1, 0]])
    method = make(torch.tensor([[0.9, 0.8]]), observed)
    logits = torch.tensor([[2.0, 1.0]])
    expected = (
        (F.softplus(logits[0, 0]) + method.targets[0, 1] * F.softplus(-logits[0, 1])) / 2
        + (1 - method.targets[0, 1]) * F.softplus(logits[0, 1]) / 2
        + count_penalty(torch.sigmoid(logits), method.k_bar)
    )
    torch.testing.assert_close(method.loss(take(logits)), 0.5 * expected)


def test_labels_stay_away_from_zero_and_one() -> None:
    method = make(torch.tensor([[0.0, 1.0, 0.5]]), rate=1.0)
    for _ in range(50):
        show(method, torch.tensor([[-200.0, 200.0, 200.0]]), [0])
    assert float(method.latents.abs().max()) <= math.log(999) + 1e-5


def test_the_order_of_classes_and_pictures_does_not_matter() -> None:
    scores, logits = torch.sigmoid(draw(6, 4)), draw(6, 4, seed=1)
    rows, columns = torch.tensor([3, 0, 5, 1, 2, 4]), torch.tensor([2, 0, 3, 1])
    plain, shuffled = make(scores), make(scores[rows][:, columns])
    show(plain, logits, [0, 1, 2], [3, 4, 5])
    show(shuffled, logits[rows][:, columns], [0, 1, 2], [3, 4, 5])
    torch.testing.assert_close(plain.targets[rows][:, columns], shuffled.targets)


def test_a_state_that_was_saved_and_loaded_goes_on_alike() -> None:
    scores, logits = torch.sigmoid(draw(4, 3)), draw(4, 3, seed=1)
    one, other = make(scores), make(scores)
    show(one, logits, [0, 1, 2, 3])
    other.loss(take(logits))  # an epoch that was cut: it is shown again
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.targets, other.targets)
    for method in (one, other):
        show(method, -logits, [2, 3], [0, 1])
    assert torch.equal(one.targets, other.targets)

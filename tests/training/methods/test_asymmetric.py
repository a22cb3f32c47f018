"""`asl`: its equation on numbers, where it has no gradient, and what observation changes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.methods import AnyMethod, make_method, resolve_settings
from cdul_edge.training.methods.asymmetric import AsymmetricSettings, asymmetric_loss
from tests.fakes.method_inputs import know, take


def make(scores: Tensor, observed: Tensor | None = None, **settings: Any) -> AnyMethod:
    config = TrainConfig(method="asl", method_settings=settings)
    return make_method(config, know(scores, observed))


def entries(logits: Tensor, targets: Tensor, **changes: float) -> Tensor:
    chosen = {"gamma_positive": 0.0, "gamma_negative": 4.0, "margin": 0.05, **changes}
    return asymmetric_loss(logits, targets, **chosen)


def gradient(method: AnyMethod, logits: Tensor) -> Tensor:
    logits = logits.clone().requires_grad_()
    (found,) = torch.autograd.grad(method.loss(take(logits)), logits)
    return found


def draw(*shape: int, seed: int = 0) -> Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_defaults_are_the_papers() -> None:
    assert resolve_settings(TrainConfig(method="asl")) == AsymmetricSettings(0.0, 4.0, 0.05, "sum")


@pytest.mark.parametrize(
    ("score", "target", "changes", "loss"),
    [
        # positive, g+ = 0: -log 0.8
        (0.8, 1.0, {}, 0.223144),
        # positive, g+ = 1: 0.2 * -log 0.8
        (0.8, 1.0, {"gamma_positive": 1.0}, 0.0446287),
        # negative: p_m = 0.75; 0.75^4 * -log 0.25 = 0.316406 * 1.386294
        (0.8, 0.0, {}, 0.438632),
        # negative without a margin: 0.8^4 * -log 0.2 = 0.4096 * 1.609438
        (0.8, 0.0, {"margin": 0.0}, 0.659226),
        # negative within the margin
        (0.04, 0.0, {}, 0.0),
        # negative, shifted but not focused: -log(1 - 0.45)
        (0.5, 0.0, {"gamma_negative": 0.0}, 0.597837),
    ],
)
def test_entries_by_hand(
    score: float, target: float, changes: dict[str, float], loss: float
) -> None:
    logits = torch.logit(torch.tensor([[score]], dtype=torch.float64))
    found = entries(logits, torch.full_like(logits, target), **changes)
    assert float(found) == pytest.approx(loss, abs=1e-6)


def test_focusing_weights_have_no_gradient() -> None:
    # d/dz of -log(1 - p + m) is p (1 - p) / (1 - p + m); the weight p_m^4 only multiplies it.
    logits = draw(4, 5).double().requires_grad_()
    p = torch.sigmoid(logits.detach())
    (found,) = torch.autograd.grad(entries(logits, torch.zeros_like(p)).sum(), logits)
    expected = (p - 0.05).clamp(min=0) ** 4 * p * (1 - p) / (1 - p + 0.05)
    torch.testing.assert_close(found, expected)
    (found,) = torch.autograd.grad(
        entries(logits, torch.ones_like(p), gamma_positive=1.0).sum(), logits
    )
    torch.testing.assert_close(found, -((1 - p) ** 2))


def test_negatives_up_to_the_margin_have_no_gradient_at_all() -> None:
    logits = torch.logit(torch.tensor([[0.049, 0.02, 1e-6, 0.051]])).requires_grad_()
    for focusing in (0.0, 4.0):
        loss = entries(logits, torch.zeros(1, 4), gamma_negative=focusing).sum()
        (found,) = torch.autograd.grad(loss, logits)
        assert found[0, :3].tolist() == [0.0, 0.0, 0.0]
        assert float(found[0, 3]) > 0


def test_without_focus_and_margin_it_is_the_summed_cross_entropy() -> None:
    scores, logits = torch.sigmoid(draw(6, 5)), draw(6, 5, seed=1)
    method = make(scores, gamma_negative=0.0, margin=0.0)
    expected = F.binary_cross_entropy_with_logits(logits, method.targets, reduction="sum")
    torch.testing.assert_close(method.loss(take(logits)), expected)


def test_the_sum_is_all_entries_times_the_mean() -> None:
    scores, logits = torch.sigmoid(draw(6, 5)), draw(6, 5, seed=1)
    mean = make(scores, reduction="mean").loss(take(logits))
    torch.testing.assert_close(make(scores).loss(take(logits)), 30 * mean)


@pytest.mark.parametrize("margin", [0.0, 0.05])
def test_no_logit_is_too_large(margin: float) -> None:
    logits = torch.tensor([[300.0, -300.0, 300.0, -300.0]]).requires_grad_()
    targets = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    found = entries(logits, targets, margin=margin)
    (slope,) = torch.autograd.grad(found.sum(), logits)
    assert bool(slope.isfinite().all())
    worst = 300.0 if margin == 0 else 0.95**4 * -math.log(margin)
    torch.testing.assert_close(found, torch.tensor([[0.0, 300.0, worst, 0.0]]))


def test_known_negatives_are_never_easy_nor_doubtful() -> None:
    observed = torch.tensor([[0, -1, -1], [0, 0, 1]])
    scores = torch.tensor([[0.8, 0.6, 0.1], [0.9, 0.1, 0.1]])
    logits = torch.tensor([[1.0, 4.0, -5.0], [1.0, -5.0, -1.0]])
    method = make(scores, observed)
    assert method.targets.tolist() == [[1.0, 0.0, 0.0], [1.0, 0.0, 1.0]]
    found = gradient(method, logits)
    p = torch.sigmoid(logits)
    torch.testing.assert_close(found[0, 1:], p[0, 1:])
    assert float(found[1, 1]) == 0.0  # as surely absent, but only assumed to be
    torch.testing.assert_close(found[1, 2], p[1, 2] - 1)


def test_the_order_of_classes_and_pictures_does_not_matter() -> None:
    scores, logits = torch.sigmoid(draw(6, 4)), draw(6, 4, seed=1)
    rows, columns = torch.tensor([3, 0, 5, 1, 2, 4]), torch.tensor([2, 0, 3, 1])
    plain = make(scores).loss(take(logits))
    shuffled = make(scores[rows][:, columns]).loss(take(logits[rows][:, columns]))
    torch.testing.assert_close(plain, shuffled)
    torch.testing.assert_close(plain, make(scores[rows]).loss(take(logits, rows.argsort())))

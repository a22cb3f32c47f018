"""The label step against autograd, its closed form, and what it must never do."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.methods import make_method
from cdul_edge.training.methods.base import binary_entropy, harden
from cdul_edge.training.methods.cdul import (
    CdulSettings,
    GradientAlignment,
    align,
    gaussian_weight,
    match_histogram,
)
from tests.fakes.method_inputs import Ended, asking_epochs, know, take


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make(scores: Tensor, epochs: int = 10, **settings: Any) -> GradientAlignment:
    given = {"label_warmup": 1, "freeze_after": 1.0, **settings}
    return GradientAlignment(know(scores, epochs=epochs), CdulSettings(**given))


def test_the_gradient_of_kl_of_labels_and_scores_with_respect_to_the_labels_is_u_minus_z() -> None:
    u, z = 2 * draw(5, 4), 2 * draw(5, 4, seed=1)
    y = torch.sigmoid(u).requires_grad_()
    p = torch.sigmoid(z)
    kl = (y * (y / p).log() + (1 - y) * ((1 - y) / (1 - p)).log()).sum()
    (gradient,) = torch.autograd.grad(kl, y)
    torch.testing.assert_close(gradient, u - z, rtol=1e-9, atol=1e-12)


def test_the_gradient_of_the_network_loss_is_p_minus_y_over_all_entries() -> None:
    method = make(torch.rand(3, 4, generator=torch.Generator().manual_seed(0)))
    logits = draw(3, 4).float().requires_grad_()
    (gradient,) = torch.autograd.grad(method.loss(take(logits)), logits)
    expected = (torch.sigmoid(logits.detach()) - method.targets) / 12
    torch.testing.assert_close(gradient, expected)
    assert not method.targets.requires_grad


@pytest.mark.parametrize(
    ("sigma", "label", "weight"),
    [(0.4, 0.5, 0.997), (0.4, 0.1, 0.605), (0.4, 0.0, 0.457), (1.0, 0.5, 0.399), (0.2, 0.0, 0.088)],
)
def test_the_gaussian_weight_has_the_values_of_its_formula(
    sigma: float, label: float, weight: float
) -> None:
    found = float(gaussian_weight(torch.tensor(label), sigma))
    assert found == pytest.approx(weight, abs=1e-3)


def test_the_weight_is_the_same_for_a_label_and_its_opposite_and_largest_in_the_middle() -> None:
    y = torch.linspace(0, 1, 21, dtype=torch.float64)
    weight = gaussian_weight(y, 0.3)
    torch.testing.assert_close(weight, weight.flip(0))
    assert int(weight.argmax()) == 10


def test_one_step_by_hand() -> None:
    # y = 0.5: psi = 1 / (0.5 sqrt(2 pi)) = 0.797885; kappa = 0.1 psi = 0.0797885
    moved = align(
        torch.tensor([0.0]),
        torch.tensor([0.0]),
        torch.tensor([2.0]),
        eta=0.1,
        sigma=0.5,
        anchor=0.0,
    )
    assert float(moved) == pytest.approx(2 * 0.0797885, abs=1e-6)


def test_labels_that_agree_with_the_network_stay() -> None:
    u, u0 = draw(6, 3), draw(6, 3, seed=1)
    assert torch.equal(align(u, u0, u, eta=1, sigma=1, anchor=0), u)
    assert torch.equal(align(u0, u0, u0, eta=1, sigma=1, anchor=0.5), u0)


@pytest.mark.parametrize(("eta", "anchor"), [(0.0, 0.5), (1.0, 1.0)])
def test_no_step_and_a_full_anchor_leave_the_first_labels(eta: float, anchor: float) -> None:
    u0 = draw(6, 3)
    assert torch.equal(align(u0, u0, draw(6, 3, seed=2), eta=eta, sigma=0.4, anchor=anchor), u0)


@pytest.mark.parametrize("eta", [0.1, 1.0, 50.0])
def test_a_step_never_overshoots_its_target(eta: float) -> None:
    u, u0, z = draw(20, 5), draw(20, 5, seed=1), draw(20, 5, seed=2)
    target = 0.5 * z + 0.5 * u0
    moved = align(u, u0, z, eta=eta, sigma=0.1, anchor=0.5)
    assert ((moved - target).abs() <= (u - target).abs() + 1e-12).all()


def test_many_steps_to_constant_logits_close_in_at_the_rate_of_the_smallest_weight() -> None:
    start, z = draw(8, 3), draw(8, 3, seed=1)
    u, smallest = start, 1.0
    for _ in range(15):
        smallest = min(smallest, float((0.3 * gaussian_weight(torch.sigmoid(u), 0.4)).min()))
        u = align(u, start, z, eta=0.3, sigma=0.4, anchor=0.5)
    target = 0.5 * z + 0.5 * start
    assert ((u - target).abs() <= (1 - smallest) ** 15 * (start - target).abs() + 1e-12).all()


@pytest.mark.parametrize("match", ["none", "histogram"])
def test_permuting_the_classes_permutes_the_labels(match: str) -> None:
    scores, logits = torch.sigmoid(draw(9, 4)).float(), draw(9, 4, seed=1).float()
    order = torch.tensor([2, 0, 3, 1])
    plain, permuted = make(scores, match=match), make(scores[:, order], match=match)
    plain.after_epoch(1, Ended(logits))
    permuted.after_epoch(1, Ended(logits[:, order]))
    assert torch.equal(permuted.targets, plain.targets[:, order])


@pytest.mark.parametrize("match", ["none", "histogram"])
def test_permuting_the_pictures_permutes_the_labels(match: str) -> None:
    scores, logits = torch.sigmoid(draw(9, 4)).float(), draw(9, 4, seed=1).float()
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    plain, permuted = make(scores, match=match), make(scores[order], match=match)
    plain.after_epoch(1, Ended(logits))
    permuted.after_epoch(1, Ended(logits[order]))
    assert torch.equal(permuted.targets, plain.targets[order])


def test_matching_keeps_each_classes_values_and_takes_the_networks_order() -> None:
    logits = torch.tensor([[5.0, 0.0], [1.0, 9.0], [3.0, 4.0]])
    reference = torch.tensor([[-1.0, 7.0], [-2.0, 8.0], [-3.0, 9.0]])
    expected = torch.tensor([[-1.0, 7.0], [-3.0, 9.0], [-2.0, 8.0]])
    assert torch.equal(match_histogram(logits, reference), expected)


def test_labels_are_revised_from_the_end_of_the_warm_up_to_the_freeze_and_not_at_the_end() -> None:
    method = make(torch.full((2, 3), 0.3), epochs=10, label_warmup=3, update_every=2)
    assert asking_epochs(method, range(1, 11)) == [3, 5, 7, 9]
    frozen = make(torch.full((2, 3), 0.3), epochs=10, label_warmup=3, freeze_after=0.6)
    assert asking_epochs(frozen, range(1, 11)) == [3, 4, 5, 6]


@pytest.mark.parametrize(("epochs", "warmup"), [(1, 1), (4, 2), (8, 4), (10, 5), (100, 5)])
def test_the_default_warm_up_is_five_epochs_or_half_of_a_short_run(
    epochs: int, warmup: int
) -> None:
    due = [epoch for epoch in range(1, epochs + 1) if CdulSettings().due(epoch, epochs)]
    assert due[:1] == ([warmup] if epochs > 1 else [])


def test_what_is_logged_is_what_happened() -> None:
    # One label crosses 0.5 upward, one downward; kappa is 1, so each becomes its score.
    scores = torch.tensor([[0.4, 0.6, 0.2, 0.2]])
    method = make(scores, eta=1e6, sigma=10.0, anchor=0.0)
    logits = torch.logit(torch.tensor([[0.6, 0.4, 0.2, 0.2]]))
    log = method.after_epoch(1, Ended(logits))
    step = 2 * math.log(0.6 / 0.4)
    assert log["label_change"] == pytest.approx(2 * step / 4, rel=1e-5)
    assert log["label_row_sum"] == pytest.approx(1.4, rel=1e-5)
    assert log["labels_crossed_up"] == 0.25
    assert log["labels_crossed_down"] == 0.25
    entropy = float(binary_entropy(torch.tensor([0.6, 0.4, 0.2, 0.2])).mean())
    assert log["label_entropy"] == pytest.approx(entropy, rel=1e-5)


def test_the_guard_takes_the_first_labels_back_and_says_so() -> None:
    scores = torch.full((4, 3), 0.3)
    method = make(scores, eta=1e6, sigma=10.0, anchor=0.0)
    first = method.targets.clone()
    log = method.after_epoch(1, Ended(torch.full((4, 3), -6.0)))
    assert "mean labels changed by 99%" in str(log["label_guard"])
    assert torch.equal(method.targets, first)
    assert asking_epochs(method, [2]) == []


def test_without_the_guard_labels_may_go_anywhere() -> None:
    method = make(torch.full((4, 3), 0.3), eta=1e6, sigma=10.0, anchor=0.0, guard=False)
    log = method.after_epoch(1, Ended(torch.full((4, 3), -6.0)))
    assert "label_guard" not in log
    assert float(method.targets.max()) < 0.01


def test_labels_of_zero_and_one_have_finite_latents() -> None:
    method = make(torch.tensor([[0.0, 1.0, 0.5]]), label_floor=1e-3)
    limit = math.log(999)
    torch.testing.assert_close(method.latents, torch.tensor([[-limit, limit, 0.0]]))


def test_a_state_that_was_saved_and_loaded_goes_on_alike() -> None:
    scores, logits = torch.sigmoid(draw(5, 3)).float(), draw(5, 3, seed=1).float()
    one, other = make(scores), make(torch.full((5, 3), 0.5))
    one.after_epoch(1, Ended(logits))
    other.load_state_dict(one.state_dict())
    one.after_epoch(2, Ended(logits))
    other.after_epoch(2, Ended(logits))
    assert torch.equal(one.targets, other.targets)


def test_hard_labels_give_an_empty_row_its_best_class() -> None:
    scores = torch.tensor([[0.7, 0.5, 0.1], [0.1, 0.4, 0.2]])
    expected = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    assert torch.equal(harden(scores), expected)
    fixed = make_method(TrainConfig(method="fixed"), know(scores, hard=True))
    assert torch.equal(fixed.targets, expected)


def test_fixed_labels_stay_as_they_were() -> None:
    scores = torch.sigmoid(draw(5, 3)).float()
    method = make_method(TrainConfig(method="fixed"), know(scores))
    assert asking_epochs(method, range(1, 21)) == []
    assert method.after_epoch(1, Ended()) == {}
    assert torch.equal(method.targets, scores)


def test_without_the_gaussian_every_label_moves_by_the_same_share() -> None:
    scores, logits = torch.tensor([[0.5, 0.9]]), torch.tensor([[1.0, 1.0]])
    method = make(scores, eta=0.25, anchor=0.0, weighted=False)
    before = method.latents.clone()
    method.after_epoch(1, Ended(logits))
    torch.testing.assert_close(method.latents, before + 0.25 * (logits - before))


def test_observed_labels_are_never_revised() -> None:
    observed = torch.tensor([[1, -1, 0]], dtype=torch.int8)
    supervision = know(torch.tensor([[0.2, 0.7, 0.5]]), observed)
    method = GradientAlignment(supervision, CdulSettings(label_warmup=1, eta=1.0, guard=False))
    torch.testing.assert_close(method.targets, torch.tensor([[1.0, 0.0, 0.5]]))
    method.after_epoch(1, Ended(torch.tensor([[-3.0, 3.0, 3.0]])))
    assert method.targets[0, :2].tolist() == [1.0, 0.0]
    assert float(method.targets[0, 2]) > 0.5

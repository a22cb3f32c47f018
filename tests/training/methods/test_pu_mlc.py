"""The variational loss against its direct formula, the mixed pictures, and the forced positives."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.methods import make_method
from cdul_edge.training.methods.mixing import draw_beta
from cdul_edge.training.methods.pu_mlc import (
    PositiveUnlabeled,
    PuMlcSettings,
    adapt_temperature,
    force_positives,
    mix_targets,
    variational_losses,
)
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.method_inputs import asking_epochs, know, take


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make(positives: Tensor, observed: Tensor | None = None, **settings: Any) -> PositiveUnlabeled:
    """The method on labels of 0.9 where positive; the equations alone unless more is asked for."""
    given = {"forced": 0, "consistency": 0.0, **settings}
    scores = 0.9 * positives.float() + 0.05
    return PositiveUnlabeled(know(scores, observed), PuMlcSettings(**given))


# Four pictures, three classes; every picture has a positive, and every class.
POSITIVES = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]])


def one(size: int) -> Tensor:
    return torch.ones(size, dtype=torch.float64)


def test_the_temperature_is_the_population_deviation_within_its_limits() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0], [0.4, 9.0, 0.0]])
    assert adapt_temperature(logits, 1.0, 0.01).tolist() == pytest.approx([0.2, 1.0, 0.01])
    assert adapt_temperature(logits, 2.0, 0.01).tolist() == pytest.approx([0.4, 1.0, 0.01])
    assert adapt_temperature(draw(5, 4), 1e9, 0.01).tolist() == [1.0] * 4


def test_one_class_by_hand() -> None:
    # Scores 0.8 (positive) and 0.2: lu = log 0.5, lp = log 0.8; w = 0.5 at gamma 1.
    logits = torch.logit(torch.tensor([[0.8], [0.2]]))
    loss = variational_losses(
        logits, torch.tensor([[1.0], [0.0]]), gamma=1.0, temperature=torch.ones(1)
    )
    assert float(loss) == pytest.approx(0.5 * math.log(0.5) - math.log(0.8), abs=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.55, 1.5])
def test_it_equals_the_direct_formula(gamma: float) -> None:
    logits, positives = draw(9, 5), (draw(9, 5, seed=1) > 0.3).double()
    positives[0] = 1.0
    tau = (0.7 * (logits - logits.mean(dim=0)).square().mean(dim=0).sqrt()).clamp(0.01, 1)
    scores = 1 / (1 + torch.exp(-logits / tau))
    mean = scores.mean(dim=0)
    expected = mean**gamma * mean.log()
    expected -= (positives * scores.log()).sum(dim=0) / positives.sum(dim=0)
    found = variational_losses(
        logits, positives, gamma=gamma, temperature=adapt_temperature(logits, 0.7, 0.01)
    )
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-12)


def test_the_gradient_pushes_positives_up_and_the_unlabelled_down() -> None:
    logits, positives = draw(40, 3).requires_grad_(), (draw(40, 3, seed=1) > 1.0).double()
    loss = variational_losses(logits, positives, gamma=0.55, temperature=one(3)).sum()
    (gradient,) = torch.autograd.grad(loss, logits)
    assert bool((gradient[positives == 0] >= 0).all())
    assert bool((gradient[positives == 1] < 0).all())


def test_weight_and_temperature_are_held_constant() -> None:
    logits, positives = draw(4, 3).float().requires_grad_(), POSITIVES.double()
    (gradient,) = torch.autograd.grad(make(POSITIVES).loss(take(logits)), logits)
    fixed = logits.detach().double()
    tau = adapt_temperature(fixed, 1.0, 0.01)
    scores = torch.sigmoid(fixed / tau)
    mean = scores.mean(dim=0)
    slope = mean**0.55 * scores * (1 - scores) / (4 * mean) / tau  # d(w lu) with w constant
    slope -= positives / positives.sum(dim=0) * (1 - scores) / tau
    torch.testing.assert_close(gradient.double(), slope, rtol=1e-4, atol=1e-6)


def test_permuting_the_batch_changes_nothing() -> None:
    logits, order = draw(4, 3), torch.tensor([2, 0, 3, 1])
    method = make(POSITIVES)
    torch.testing.assert_close(
        method.loss(take(logits[order], order)), method.loss(take(logits)), rtol=1e-6, atol=1e-9
    )


def test_permuting_the_classes_changes_nothing_but_their_places() -> None:
    logits, order = draw(4, 3), torch.tensor([2, 0, 1])
    plain, permuted = make(POSITIVES), make(POSITIVES[:, order])
    assert torch.equal(permuted.positives, plain.positives[:, order])
    torch.testing.assert_close(
        permuted.loss(take(logits[:, order])), plain.loss(take(logits)), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("level", [-200.0, 0.0, 200.0])
def test_equal_logits_and_no_positives_stay_finite(level: float) -> None:
    logits = torch.full((4, 3), level, requires_grad=True)
    method = make(POSITIVES, absent="keep")
    for batch in (take(logits), replace(take(logits), indices=torch.tensor([2, 2, 2, 2]))):
        (gradient,) = torch.autograd.grad(method.loss(batch), logits)
        assert bool(method.loss(batch).isfinite())
        assert bool(gradient.isfinite().all())


def test_without_gamma_a_common_factor_of_all_scores_costs_nothing() -> None:
    scores = torch.sigmoid(draw(6, 3))
    positives = torch.ones(6, 3, dtype=torch.float64).tril()
    plain, scaled = (
        variational_losses(torch.logit(s), positives, gamma=0.0, temperature=one(3))
        for s in (scores, 0.37 * scores)
    )
    torch.testing.assert_close(scaled, plain)
    weighted, other = (
        variational_losses(torch.logit(s), positives, gamma=0.55, temperature=one(3))
        for s in (scores, 0.37 * scores)
    )
    assert not torch.allclose(weighted, other)


@pytest.mark.parametrize(("absent", "counts"), [("keep", True), ("skip", False), ("auto", False)])
def test_a_class_absent_from_a_small_batch_counts_only_where_it_is_asked_to(
    absent: str, counts: bool
) -> None:
    method = make(POSITIVES, absent=absent)
    logits = draw(2, 3).requires_grad_()
    indices = torch.tensor([0, 3])  # class 0 alone is there
    (gradient,) = torch.autograd.grad(method.loss(take(logits, indices)), logits)
    assert bool((gradient[:, 0] != 0).all())
    assert bool((gradient[:, 1:] != 0).all()) == counts
    assert bool((gradient[:, 1:] == 0).all()) != counts


def test_a_batch_of_64_keeps_absent_classes() -> None:
    method, indices = make(POSITIVES), torch.tensor([0, 3]).repeat(32)
    for size, counts in ((63, False), (64, True)):
        logits = draw(size, 3).requires_grad_()
        (gradient,) = torch.autograd.grad(method.loss(take(logits, indices[:size])), logits)
        assert bool((gradient[:, 1] != 0).all()) == counts


def test_the_classes_are_summed_or_averaged() -> None:
    logits = draw(4, 3)
    total, mean = (make(POSITIVES, reduction=r).loss(take(logits)) for r in ("sum", "mean"))
    torch.testing.assert_close(total, 3 * mean)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_targets_are_mixed_in_the_logarithm(share: float) -> None:
    first, second = torch.tensor([0.0, -2.0, -300.0]), torch.tensor([-1.0, -0.5, -300.0])
    expected = (share * first.double().exp() + (1 - share) * second.double().exp()).log()
    found = mix_targets(first, second, share)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


def test_the_share_has_the_mean_and_the_variance_of_its_beta() -> None:
    draws = torch.Generator().manual_seed(0)
    shares = torch.tensor([draw_beta(0.3, draws) for _ in range(4000)])
    variance = 1 / (4 * (2 * 0.3 + 1))  # 0.156
    assert float(shares.mean()) == pytest.approx(0.5, abs=4 * math.sqrt(variance / 4000))
    assert float(shares.var()) == pytest.approx(variance, rel=0.05)
    assert draw_beta(0.0, draws) == 1.0
    even = torch.tensor([draw_beta(1.0, draws) for _ in range(4000)])
    assert float(even.var()) == pytest.approx(1 / 12, rel=0.08)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_unmixed_pictures_cost_nothing_where_the_network_says_the_same_again(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdul_edge.training.methods.pu_mlc.draw_beta", lambda shape, draws: share)
    # The network knows every positive for sure, so that its answers are the targets themselves.
    logits = torch.where(POSITIVES > 0, 200.0, draw(4, 3).float())
    plain = make(POSITIVES).loss(take(logits))
    torch.testing.assert_close(make(POSITIVES, consistency=1.0).loss(take(logits)), plain)


def test_mixed_pictures_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdul_edge.training.methods.pu_mlc.draw_beta", lambda shape, draws: 0.25)
    # One class, five pictures: the halves are 0, 1 and 3, 4; the middle one is left out.
    z = torch.tensor([[0.5], [0.5], [9.0], [-1.0], [2.0]])
    positives = torch.tensor([[1], [1], [1], [0], [0]])
    method = PositiveUnlabeled(
        know(0.05 + 0.01 * torch.rand(5, 2, generator=torch.Generator().manual_seed(0))),
        PuMlcSettings(forced=0),
    )
    method.positives = positives > 0
    whole = method.loss(take(z))
    rest = make(torch.zeros(5, 1), consistency=0.0)
    rest.positives = positives > 0
    expected = 0.0
    for second in (-1.0, 2.0):
        target = 0.25 * 1.0 + 0.75 / (1 + math.exp(-second))
        answer = 1 / (1 + math.exp(-(0.25 * 0.5 + 0.75 * second)))
        expected += (math.log(target) - math.log(answer)) ** 2 / 2
    assert float(whole - rest.loss(take(z))) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("flow", [False, True])
def test_gradients_flow_through_mixed_targets_only_where_it_is_asked(flow: bool) -> None:
    method = make(POSITIVES, consistency=1.0, mixup_gradients=flow)
    logits = draw(4, 3).float().requires_grad_()
    # Another pass that does not depend on these logits: what is left comes through the targets.
    step = replace(take(logits), images=torch.zeros(4, 3, 1, 1))
    (with_mixing,) = torch.autograd.grad(method.loss(step), logits)
    (without,) = torch.autograd.grad(make(POSITIVES).loss(take(logits)), logits)
    assert torch.allclose(with_mixing, without) != flow


def test_a_batch_of_two_or_three_has_no_halves_to_mix() -> None:
    logits = draw(3, 3).float()
    plain = make(POSITIVES).loss(take(logits))
    assert torch.equal(make(POSITIVES, consistency=1.0).loss(take(logits)), plain)


def test_the_best_pictures_of_each_class_are_forced_but_not_where_it_was_seen_to_be_absent() -> (
    None
):
    scores = torch.tensor([[0.1, 0.3], [0.4, 0.3], [0.2, 0.1]])
    observed = torch.tensor([[0, 0], [-1, 0], [0, 0]])
    expected = [[False, True], [False, False], [True, False]]
    assert force_positives(scores, observed, 1).tolist() == expected
    assert force_positives(scores, observed, 99).tolist() == [[True] * 2, [False, True], [True] * 2]
    assert not bool(force_positives(scores, observed, 0).any())


@pytest.mark.parametrize(("pictures", "count"), [(5, 0), (50, 5), (500, 10), (10_000, 20)])
def test_usually_ten_or_a_500th_of_the_pictures_are_forced_but_not_more_than_a_tenth(
    pictures: int, count: int
) -> None:
    scores = torch.linspace(0.1, 0.2, pictures)[:, None] * torch.tensor([0.5, 1.0])
    method = PositiveUnlabeled(know(scores), PuMlcSettings())
    # Class 1 is the best of every row, which is empty otherwise.
    assert int(method.positives[:, 0].sum()) == count
    assert bool((method.positives[pictures - count :, 0]).all())
    assert int(method.positives[:, 1].sum()) == pictures


def test_negatives_that_were_observed_are_unlabelled_and_no_positives() -> None:
    scores = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    observed = torch.tensor([[-1, 1], [0, -1]])
    method = PositiveUnlabeled(know(scores, observed), PuMlcSettings(forced=2))
    assert method.positives.tolist() == [[False, True], [True, False]]


def test_the_labels_are_one_on_positives_and_the_first_scores_elsewhere() -> None:
    scores = torch.tensor([[0.9, 0.1, 0.3], [0.2, 0.4, 0.1]])
    observed = torch.tensor([[0, -1, 0], [0, 0, 0]])
    method = PositiveUnlabeled(know(scores, observed), PuMlcSettings())
    torch.testing.assert_close(method.targets, torch.tensor([[1.0, 0.0, 0.3], [0.2, 1.0, 0.1]]))


def test_without_any_positive_there_is_one_clear_line() -> None:
    nothing = know(torch.full((2, 2), 0.9), -torch.ones(2, 2))
    with pytest.raises(CdulEdgeError, match="the method pu-mlc learns from positive labels"):
        PositiveUnlabeled(nothing, PuMlcSettings())


def test_it_is_found_by_its_name_with_the_codes_defaults_and_keeps_no_state() -> None:
    method = make_method(TrainConfig(method="pu-mlc"), know(torch.full((2, 3), 0.6)))
    assert isinstance(method, PositiveUnlabeled)
    chosen = method.settings
    assert (chosen.gamma, chosen.alpha, chosen.consistency, chosen.mixup) == (0.55, 1.0, 1.0, 0.3)
    assert method.state_dict() == {}
    assert asking_epochs(method, range(1, 11)) == []

"""EM: known entries are learned, unknown ones are held undecided."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from cdul_edge.training.methods.entropy import (
    EntropyMaximization,
    EntropySettings,
    entropy_loss,
    score_entropy,
)
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.method_inputs import Ended, asking_epochs, know, take


def make(scores: Tensor, observed: Tensor | None = None, **settings: Any) -> EntropyMaximization:
    return EntropyMaximization(know(scores, observed), EntropySettings(**settings))


def gradient_of(method: EntropyMaximization, logits: Tensor) -> Tensor:
    """Of the summed loss: the mean's, times the number of entries."""
    z = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(method.loss(take(z)) * z.numel(), z)
    return gradient


def test_the_entropy_of_a_score_has_the_values_of_its_formula() -> None:
    z = torch.logit(torch.tensor([0.5, 0.9, 0.25], dtype=torch.float64))
    expected = [math.log(2), 0.325083, 0.562335]  # -p log p - (1 - p) log(1 - p)
    assert score_entropy(z).tolist() == pytest.approx(expected, abs=1e-6)


def test_the_entropy_of_sure_scores_is_exact_where_differences_would_cancel() -> None:
    # To first order H = (z + 1) exp(-z); in float32 log(1 + exp(z)) - p z is 0 at z = 30.
    found = score_entropy(torch.tensor([30.0, -30.0]))
    torch.testing.assert_close(found, torch.full((2,), 31 * math.exp(-30)), rtol=1e-5, atol=0.0)
    assert score_entropy(torch.tensor([1e4, -1e4])).tolist() == [0.0, 0.0]


def test_the_pull_on_an_unknown_is_alpha_z_p_one_minus_p() -> None:
    z = torch.linspace(-6, 6, 25, dtype=torch.float64).view(5, 5).requires_grad_()
    loss = entropy_loss(z, torch.zeros(5, 5, dtype=torch.int8), alpha=0.3, absent=1.0).sum()
    (gradient,) = torch.autograd.grad(loss, z)
    p = torch.sigmoid(z.detach())
    torch.testing.assert_close(gradient, 0.3 * z.detach() * p * (1 - p))
    assert gradient.view(-1)[12] == 0.0  # at rest where p = 0.5


def test_the_pull_is_largest_at_1_543_where_it_is_0_224_alpha() -> None:
    z = torch.arange(0, 8, 1e-3, dtype=torch.float64).requires_grad_()
    loss = entropy_loss(z, torch.zeros_like(z, dtype=torch.int8), alpha=1.0, absent=1.0).sum()
    (gradient,) = torch.autograd.grad(loss, z)
    assert float(z.detach()[gradient.argmax()]) == pytest.approx(1.543, abs=2e-3)
    assert float(gradient.max()) == pytest.approx(0.224, abs=5e-4)


def test_the_loss_by_hand() -> None:
    # A positive, an observed absence, and an unknown, each with p = 0.25 or 0.5.
    scores = torch.tensor([[0.9, 0.8, 0.1]])
    method = make(scores, torch.tensor([[0, -1, 0]]), absent=0.3)
    loss = method.loss(take(torch.logit(torch.tensor([[0.5, 0.25, 0.25]]))))
    expected = (math.log(2) - 0.3 * math.log(0.75) - 0.2 * 0.562335) / 3
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def test_the_gradient_on_known_entries_is_that_of_the_cross_entropy() -> None:
    scores, observed = torch.tensor([[0.9, 0.8, 0.1, 0.1]]), torch.tensor([[0, -1, 1, 0]])
    logits = torch.tensor([[0.3, -1.2, 2.0, 0.0]])
    gradient = gradient_of(make(scores, observed, absent=0.5), logits)
    p = torch.sigmoid(logits)
    expected = torch.stack([p[0, 0] - 1, 0.5 * p[0, 1], p[0, 2] - 1])
    torch.testing.assert_close(gradient[0, :3], expected)
    assert gradient[0, 3] == 0.0


def test_without_alpha_unknown_entries_have_no_gradient() -> None:
    gradient = gradient_of(make(torch.tensor([[0.9, 0.4, 0.1]]), alpha=0.0), torch.ones(1, 3))
    assert gradient[0, 1:].tolist() == [0.0, 0.0]


def test_very_sure_scores_have_finite_gradients() -> None:
    logits = torch.tensor([[-1e4, 1e4, -1e4]])
    gradient = gradient_of(make(torch.tensor([[0.9, 0.1, 0.1]])), logits)
    assert gradient.tolist() == [[-1.0, 0.0, 0.0]]


def test_positives_are_labelled_1_and_unknown_entries_keep_their_scores() -> None:
    scores = torch.tensor([[0.7, 0.4, 0.1], [0.2, 0.3, 0.1], [0.9, 0.6, 0.3]])
    method = make(scores, torch.tensor([[0, 0, 0], [0, 0, 0], [-1, 0, 1]]))
    # The second picture has no score of 0.5, and its best class is a positive.
    expected = torch.tensor([[1.0, 0.4, 0.1], [0.2, 1.0, 0.1], [0.0, 1.0, 1.0]])
    torch.testing.assert_close(method.targets, expected)
    assert method.known.tolist() == [[1, 0, 0], [0, 1, 0], [-1, 1, 1]]


def test_permuting_the_classes_permutes_labels_and_gradients() -> None:
    draws = torch.Generator().manual_seed(0)
    scores, logits = torch.rand(6, 4, generator=draws), torch.randn(6, 4, generator=draws)
    order = torch.tensor([2, 0, 3, 1])
    plain, permuted = make(scores), make(scores[:, order])
    assert torch.equal(permuted.targets, plain.targets[:, order])
    torch.testing.assert_close(
        gradient_of(permuted, logits[:, order]), gradient_of(plain, logits)[:, order]
    )


def test_labels_never_change_and_no_pass_is_asked_for() -> None:
    method = make(torch.rand(6, 4, generator=torch.Generator().manual_seed(0)))
    before = method.targets.clone()
    assert asking_epochs(method, range(1, 11)) == []
    assert method.after_epoch(1, Ended()) == {}
    assert torch.equal(method.targets, before)
    assert method.state_dict() == {}


def test_without_any_positive_there_is_nothing_to_learn() -> None:
    with pytest.raises(CdulEdgeError, match="the method em learns from positive labels"):
        make(torch.tensor([[0.9, 0.1]]), torch.tensor([[-1, 0]]))


def test_the_default_is_that_of_voc() -> None:
    assert EntropySettings() == EntropySettings(alpha=0.2)

"""Distillation against numbers by hand, its two limits, and what it keeps of the labels."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.methods import AnyMethod, make_method
from cdul_edge.training.methods.base import binary_entropy
from cdul_edge.training.methods.distill import distill
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.method_inputs import asking_epochs, know, take


def make(scores: Tensor, observed: Tensor | None = None, **given: Any) -> AnyMethod:
    return make_method(TrainConfig(method="distill", method_settings=given), know(scores, observed))


def draw(*shape: int, seed: int = 0) -> Tensor:
    draws = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(*shape, generator=draws, dtype=torch.float64)


def slope(method: AnyMethod, logits: Tensor) -> Tensor:
    seen = logits.clone().requires_grad_()
    (found,) = torch.autograd.grad(method.loss(take(seen)), seen)
    return found


def test_one_entry_by_hand() -> None:
    # u = ln 16, T = 4: sg(u / T) = 2 / 3. z = 0: KL = ln 2 - H(2/3) = 0.693147 - 0.636514
    found = distill(torch.zeros(1, 1), torch.tensor([[16 / 17]]), 4.0)
    assert float(found) == pytest.approx(16 * 0.056633, abs=1e-4)


def test_the_gradient_is_the_difference_of_the_softened_scores_times_the_temperature() -> None:
    z, u = draw(5, 4), draw(5, 4, seed=1).clamp(-6, 6)
    method = make(torch.sigmoid(u).float(), temperature=3, label_floor=1e-6)
    expected = 3 * (torch.sigmoid(z / 3) - torch.sigmoid(u / 3)) / 20
    torch.testing.assert_close(slope(method, z.float()), expected.float(), rtol=1e-4, atol=1e-6)


def test_at_temperature_one_it_is_the_cross_entropy_less_the_entropy_of_the_labels() -> None:
    z, y = draw(5, 4), torch.sigmoid(draw(5, 4, seed=1))
    expected = F.binary_cross_entropy_with_logits(z, y) - binary_entropy(y).mean()
    torch.testing.assert_close(distill(z, y, 1.0), expected)


def test_at_a_high_temperature_it_is_an_eighth_of_the_squared_distance_of_the_logits() -> None:
    z, u = draw(5, 4), draw(5, 4, seed=1)
    expected = ((z - u) ** 2).mean() / 8
    torch.testing.assert_close(distill(z, torch.sigmoid(u), 1e3), expected, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 50.0])
def test_scores_that_are_the_labels_cost_nothing(temperature: float) -> None:
    u = draw(5, 4)
    assert float(distill(u, torch.sigmoid(u), temperature)) == pytest.approx(0, abs=1e-9)


def test_labels_count_as_no_surer_than_the_floor_and_are_kept_as_they_are() -> None:
    scores = torch.tensor([[0.0, 1.0, 0.004]])
    method = make(scores, label_floor=0.01)
    limit = math.log(0.99 / 0.01)
    at_the_floor = torch.tensor([[-limit, limit, -limit]])
    assert slope(method, at_the_floor).abs().max() < 1e-6
    assert torch.equal(method.targets, scores)
    assert asking_epochs(method, range(1, 11)) == []


def test_an_observed_label_counts_as_one_at_the_floor() -> None:
    scores, observed = torch.tensor([[0.5, 0.5]]), torch.tensor([[1, -1]])
    method = make(scores, observed, label_floor=0.01)
    limit = math.log(0.99 / 0.01)
    assert slope(method, torch.tensor([[limit, -limit]])).abs().max() < 1e-6
    assert torch.equal(method.targets, torch.tensor([[1.0, 0.0]]))


def test_a_temperature_below_one_is_refused() -> None:
    with pytest.raises(CdulEdgeError, match=r"temperature 0\.5, expected 1 to 100"):
        make(torch.rand(2, 2), temperature=0.5)

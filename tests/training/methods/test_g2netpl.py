"""The label player: its gradient against autograd, and where its labels come to rest."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.methods import make_method
from cdul_edge.training.methods.g2netpl import G2netplSettings, LabelGame, sharpen, stick
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.method_inputs import Ended, know


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make(scores: Tensor, **settings: Any) -> LabelGame:
    given = {"label_warmup": 1, "freeze_after": 1.0, **settings}
    return LabelGame(know(scores, epochs=1000), G2netplSettings(**given))


def repeat(move: Any, u: Tensor, z: Tensor, times: int, **settings: float) -> Tensor:
    for _ in range(times):
        u = move(u, z, **settings)
    return u


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0, 2.0])
def test_the_step_follows_the_gradient_of_entropy_plus_eta_kl(eta: float) -> None:
    u, z = 2 * draw(5, 4), 2 * draw(5, 4, seed=1)
    y, p = torch.sigmoid(u).requires_grad_(), torch.sigmoid(z)
    entropy = -(y * y.log() + (1 - y) * (1 - y).log())
    kl = y * (y / p).log() + (1 - y) * ((1 - y) / (1 - p)).log()
    (gradient,) = torch.autograd.grad((entropy + eta * kl).sum(), y)
    torch.testing.assert_close(sharpen(u, z, eta=eta, step=0.1), u - 0.1 * gradient)


@pytest.mark.parametrize("eta", [0.0, 0.5, 2.0])
def test_the_step_follows_the_gradient_of_entropy_plus_eta_distance(eta: float) -> None:
    u, z = 2 * draw(5, 4), 2 * draw(5, 4, seed=1)
    y, p = torch.sigmoid(u).requires_grad_(), torch.sigmoid(z)
    entropy = -(y * y.log() + (1 - y) * (1 - y).log())
    (gradient,) = torch.autograd.grad((entropy + eta * (y - p).abs()).sum(), y)
    # So small a step crosses no p.
    torch.testing.assert_close(stick(u, z, eta=eta, step=1e-4), u - 1e-4 * gradient)


@pytest.mark.parametrize(("eta", "factor"), [(2.0, 2.0), (1.5, 3.0), (5.0, 1.25)])
def test_labels_come_to_rest_at_the_sharpened_logit(eta: float, factor: float) -> None:
    z = draw(6, 3)
    torch.testing.assert_close(sharpen(factor * z, z, eta=eta, step=0.1), factor * z)
    end = repeat(sharpen, draw(6, 3, seed=1), z, 2000, eta=eta, step=0.1)
    torch.testing.assert_close(end, factor * z)
    assert torch.equal(end > 0, z > 0)


def test_it_contracts_exactly_below_a_step_of_two_over_eta_minus_one() -> None:
    u, z = draw(6, 3, seed=1), draw(6, 3)
    near = repeat(sharpen, u, z, 2000, eta=3.0, step=0.99)
    torch.testing.assert_close(near, 1.5 * z)
    assert float(repeat(sharpen, u, z, 2000, eta=3.0, step=1.01).abs().max()) > 1e9


def test_with_an_eta_of_one_labels_drift_by_step_times_the_logit() -> None:
    u, z = draw(6, 3, seed=1), draw(6, 3)
    torch.testing.assert_close(repeat(sharpen, u, z, 10, eta=1.0, step=0.1), u + z)


def test_with_an_eta_below_one_labels_run_away_from_the_fixed_point() -> None:
    z = torch.tensor([1.0, 1.0], dtype=torch.float64)
    u = torch.tensor([-0.9, -1.1], dtype=torch.float64)  # around 0.5 z / (0.5 - 1) = -1
    end = repeat(sharpen, u, z, 300, eta=0.5, step=0.1)
    assert float(end[0]) > 1e3
    assert float(end[1]) < -1e3


def test_with_the_absolute_distance_unsure_labels_at_the_score_stay_there() -> None:
    z = torch.tensor([-1.99, -0.5, 0.0, 0.5, 1.99], dtype=torch.float64)
    assert torch.equal(stick(z, z, eta=2.0, step=0.1), z)


def test_with_the_absolute_distance_unsure_labels_reach_the_score_and_stop() -> None:
    u = torch.tensor([-1.5, 0.0, 1.9], dtype=torch.float64)
    z = torch.tensor([1.0, -1.5, 0.3], dtype=torch.float64)
    assert torch.equal(repeat(stick, u, z, 500, eta=2.0, step=0.1), z)


def test_with_the_absolute_distance_sure_labels_run_to_zero_and_one() -> None:
    z = torch.tensor([-2.1, 2.1, 0.0], dtype=torch.float64)
    u = torch.tensor([-2.1, 2.1, 3.0], dtype=torch.float64)
    end = repeat(stick, u, z, 200, eta=2.0, step=0.1)
    assert torch.equal(torch.sigmoid(end).round(decimals=6), torch.tensor([0.0, 1.0, 1.0]).double())


def test_labels_are_revised_with_the_anchored_logits_and_cut_at_the_floor() -> None:
    scores = torch.tensor([[0.3, 0.5]])
    method = make(scores, anchor=0.5, step=0.25, label_floor=0.01)
    start = math.log(0.3 / 0.7)
    method.after_epoch(1, Ended(torch.tensor([[1.0, 100.0]])))
    aim = 0.5 * 1.0 + 0.5 * start
    expected = start - 0.25 * (start - 2 * aim)
    assert method.latents.tolist()[0] == pytest.approx([expected, math.log(99)], rel=1e-5)


def test_the_method_sharpens_by_default_and_sticks_when_asked() -> None:
    scores, logits = torch.tensor([[0.7, 0.4]]), torch.tensor([[0.5, -0.8]])
    game, stuck = make(scores), make(scores, distance="absolute")
    for epoch in range(1, 300):
        game.after_epoch(epoch, Ended(logits))
        stuck.after_epoch(epoch, Ended(logits))
    torch.testing.assert_close(game.targets, torch.sigmoid(2 * logits), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(stuck.targets, torch.sigmoid(logits))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eta": 1.0}, "no fixed point with eta 1, expected more than 1: .*unstable=on"),
        ({"step": 2.0}, r"diverges with step 2 and eta 2, .* below 2: take a step below 2$"),
        ({"distance": "l2"}, "distance 'l2', expected kl or absolute"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        G2netplSettings(**settings)


@pytest.mark.parametrize("settings", [{"eta": 0.0, "unstable": True}, {"distance": "absolute"}])
def test_the_papers_ablations_can_be_asked_for(settings: dict[str, Any]) -> None:
    method = make(torch.tensor([[0.6, 0.2]]), **{"eta": 0.0, **settings})
    for epoch in range(1, 100):
        method.after_epoch(epoch, Ended(torch.tensor([[-1.0, 1.0]])))
    torch.testing.assert_close(method.targets, torch.tensor([[1 - 1e-3, 1e-3]]))


def test_it_is_found_by_its_name() -> None:
    method = make_method(
        TrainConfig(method="g2netpl", method_settings={"eta": "1.5"}),
        know(torch.full((2, 3), 0.4)),
    )
    assert isinstance(method, LabelGame)
    assert method.settings == G2netplSettings(eta=1.5)
    assert (G2netplSettings().eta, G2netplSettings().step, G2netplSettings().anchor) == (2, 0.1, 0)

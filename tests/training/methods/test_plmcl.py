"""The heavy ball: fixed points, where it is stable, and what the literal rule does not do."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from cdul_edge.training.config import TrainConfig
from cdul_edge.training.methods import make_method
from cdul_edge.training.methods.cdul import align
from cdul_edge.training.methods.plmcl import MomentumCurriculum, PlmclSettings, coast, push
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.method_inputs import Ended, asking_epochs, know


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make(scores: Tensor, **settings: Any) -> MomentumCurriculum:
    given = {"label_warmup": 1, "freeze_after": 1.0, **settings}
    return MomentumCurriculum(know(scores, epochs=1000), PlmclSettings(**given))


def roll(momentum: float, kappa: float, steps: int) -> list[float]:
    """Distances to the aim 0 of a ball that starts at 1 at rest."""
    u, v = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    path = []
    for _ in range(steps):
        u, v = push(u, v, torch.zeros_like(u), momentum=momentum, kappa=kappa)
        path.append(float(u))
    return path


def test_two_steps_by_hand() -> None:
    # u = 0 to aim 2, kappa 0.1, m 0.5: v = 0.2, u = 0.2; v = 0.1 + 0.18 = 0.28, u = 0.48.
    u, v, aim = torch.zeros(1), torch.zeros(1), torch.full((1,), 2.0)
    u, v = push(u, v, aim, momentum=0.5, kappa=0.1)
    assert (float(u), float(v)) == pytest.approx((0.2, 0.2))
    u, v = push(u, v, aim, momentum=0.5, kappa=0.1)
    assert (float(u), float(v)) == pytest.approx((0.48, 0.28))


def test_a_label_at_its_aim_and_at_rest_stays() -> None:
    u = draw(4, 3)
    moved, velocities = push(u, torch.zeros_like(u), u, momentum=0.5, kappa=0.3)
    assert torch.equal(moved, u)
    assert not velocities.any()


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_it_converges_exactly_below_twice_one_plus_momentum(momentum: float) -> None:
    bound = 2 * (1 + momentum)
    assert abs(roll(momentum, 0.97 * bound, 2000)[-1]) < 1e-9
    assert abs(roll(momentum, 1.03 * bound, 2000)[-1]) > 1e9


@pytest.mark.parametrize(("momentum", "bound"), [(0.5, 0.0858), (0.9, 0.0026)])
def test_it_does_not_overshoot_exactly_up_to_the_square_of_one_minus_root_momentum(
    momentum: float, bound: float
) -> None:
    assert (1 - math.sqrt(momentum)) ** 2 == pytest.approx(bound, abs=5e-5)
    exact = (1 - math.sqrt(momentum)) ** 2
    assert min(roll(momentum, 0.999 * exact, 2000)) >= 0
    assert min(roll(momentum, 1.2 * exact, 2000)) < 0


def test_the_default_never_overshoots() -> None:
    chosen = PlmclSettings()
    assert chosen.momentum - chosen.damping == 0.5
    largest = chosen.eta / (chosen.sigma * math.sqrt(2 * math.pi))  # psi at 1/2
    assert largest <= (1 - math.sqrt(0.5)) ** 2


def test_without_momentum_it_is_gradient_alignment() -> None:
    scores, logits = torch.sigmoid(draw(6, 3)).float(), draw(6, 3, seed=1).float()
    method = make(scores, momentum=0.0, damping=0.0, eta=0.3, anchor=0.4)
    expected = method.latents
    for epoch in range(1, 6):
        expected = align(expected, method.anchors, logits, eta=0.3, sigma=0.4, anchor=0.4)
        method.after_epoch(epoch, Ended(logits))
        torch.testing.assert_close(method.latents, expected)


def test_labels_end_between_the_network_and_the_first_labels() -> None:
    scores, logits = torch.sigmoid(draw(6, 3)).float(), draw(6, 3, seed=1).float()
    method = make(scores, anchor=0.25)
    for epoch in range(1, 400):
        method.after_epoch(epoch, Ended(logits))
    torch.testing.assert_close(
        method.latents, 0.75 * logits + 0.25 * method.anchors, rtol=1e-4, atol=1e-4
    )


def test_where_the_clip_acts_the_velocity_is_gone() -> None:
    method = make(torch.tensor([[0.995, 0.5]]), label_floor=0.01, eta=1.0, anchor=0.0)
    method.after_epoch(1, Ended(torch.tensor([[50.0, 1.0]])))
    assert float(method.latents[0, 0]) == pytest.approx(math.log(99))
    assert float(method.velocities[0, 0]) == 0.0
    assert float(method.velocities[0, 1]) > 0.0


def test_the_step_is_cut_at_its_largest() -> None:
    method = make(torch.tensor([[0.5]]), eta=1e6, kappa_max=0.25, anchor=0.0)
    method.after_epoch(1, Ended(torch.tensor([[2.0]])))
    assert float(method.latents) == pytest.approx(0.5)


def test_the_literal_rule_coasts_to_its_closed_form() -> None:
    first, second, momentum = torch.tensor([0.3]), torch.tensor([0.4]), 0.5
    y, v = second, second - first
    for _ in range(60):
        y, v = coast(y, v, momentum=momentum)
    assert float(y) == pytest.approx(0.4 + 0.1 * momentum / (1 - momentum))


def test_with_the_literal_rule_no_label_ever_moves() -> None:
    scores = torch.sigmoid(draw(5, 3)).float()
    method = make(scores, rule="literal")
    for epoch in range(1, 10):
        method.after_epoch(epoch, Ended(draw(5, 3, seed=epoch).float()))
    torch.testing.assert_close(method.targets, scores, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"momentum": 0.0}, r"momentum - damping = -0\.4, expected 0 or more"),
        ({"momentum": 1.0, "damping": 0.0}, "momentum - damping = 1, expected"),
        ({"kappa_max": 3.0}, r"diverges with kappa_max 3, .* = 3$"),
        ({"rule": "printed"}, "rule 'printed', expected heavy-ball or literal"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        PlmclSettings(**settings)


def test_it_is_found_by_its_name() -> None:
    method = make_method(
        TrainConfig(method="plmcl", method_settings={"easy_first": "off"}),
        know(torch.full((2, 3), 0.4)),
    )
    assert isinstance(method, MomentumCurriculum)
    assert method.settings == PlmclSettings(easy_first=False)
    assert asking_epochs(method, range(1, 11)) == [5, 6, 7, 8]

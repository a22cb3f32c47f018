"""VLPL: pseudo-labels from whole-picture cosines, and one gradient a kind of entry."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from cdul_edge.training.methods.entropy import EntropyMaximization, EntropySettings
from cdul_edge.training.methods.vlpl import (
    VisionLanguagePseudoLabels,
    VlplSettings,
    pseudo_labels,
)
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.method_inputs import Ended, asking_epochs, know, take

# Two pictures, four classes; at theta 0.3 one pseudo-positive, and two.
SIMILARITIES = torch.tensor([[0.60, 0.25, 0.10, 0.05], [0.38, 0.32, 0.26, 0.04]])


def make(
    similarities: Tensor, observed: Tensor | None = None, **settings: Any
) -> VisionLanguagePseudoLabels:
    """The method for pictures whose softmax at the default temperature is `similarities`."""
    chosen = VlplSettings(**settings)
    cosines = chosen.tau_v * similarities.log() + 0.2
    scores = torch.full(similarities.shape, 0.4)
    return VisionLanguagePseudoLabels(know(scores, observed, cosines=cosines), chosen)


def gradient_of(method: VisionLanguagePseudoLabels | EntropyMaximization, logits: Tensor) -> Tensor:
    """Of the summed loss: the mean's, times the number of entries."""
    z = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(method.loss(take(z)) * z.numel(), z)
    return gradient


def test_a_similarity_above_theta_makes_a_pseudo_positive_and_one_at_it_does_not() -> None:
    found = pseudo_labels(torch.tensor([[0.5, 0.375, 0.125]]), 0.375, 0.0)
    assert found.tolist() == [[1, 0, 0]]
    assert pseudo_labels(SIMILARITIES, 0.3, 0.0)[1, :2].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.0, [1, 0, 0, 0]),
        (0.24, [1, 0, 0, 0]),
        (0.25, [1, 0, 0, -1]),
        (0.5, [1, 0, -1, -1]),
        (1.0, [1, -1, -1, -1]),
    ],
)
def test_the_least_similar_classes_are_pseudo_negatives_where_asked_for(
    share: float, expected: list[int]
) -> None:
    assert pseudo_labels(SIMILARITIES[:1], 0.3, share).tolist() == [expected]


def test_a_share_that_makes_a_whole_number_of_classes_makes_that_many() -> None:
    similarities = torch.arange(1.0, 101.0)[None] / 5050
    assert int((pseudo_labels(similarities, 0.5, 0.29) < 0).sum()) == 29  # 0.29 * 100 < 29


def test_pseudo_labels_come_from_the_softmax_of_the_cosines_at_the_temperature() -> None:
    cosines = torch.tensor([[0.25, 0.22, 0.10]])
    supervision = know(torch.zeros(1, 3), cosines=cosines)
    # exp(-0.03 / 0.03) = 0.37 and 0.007: q = 0.727, 0.267, 0.005
    method = VisionLanguagePseudoLabels(supervision, VlplSettings(tau_v=0.03, theta=0.25))
    assert method.pseudo.tolist() == [[1, 1, 0]]
    cold = VisionLanguagePseudoLabels(supervision, VlplSettings(tau_v=0.01, theta=0.25))
    assert cold.pseudo.tolist() == [[1, 0, 0]]  # q = 0.953, 0.047


def test_a_constant_on_a_pictures_cosines_changes_nothing() -> None:
    cosines = 0.03 * SIMILARITIES.log()
    moved = know(torch.zeros(2, 4), cosines=cosines + torch.tensor([[3.0], [-1.0]]))
    plain = know(torch.zeros(2, 4), cosines=cosines)
    one, other = (VisionLanguagePseudoLabels(x, VlplSettings()) for x in (plain, moved))
    assert torch.equal(one.pseudo, other.pseudo)
    torch.testing.assert_close(one.targets, other.targets, rtol=1e-4, atol=1e-6)


def test_the_loss_by_hand() -> None:
    observed = torch.tensor([[0, 0, 1, -1]])
    method = make(SIMILARITIES[:1], observed)
    p = torch.tensor([[0.75, 0.25, 0.5, 0.25]])
    loss = method.loss(take(torch.logit(p)))
    pseudo = 0.7 * (-0.9 * math.log(0.75) - 0.1 * math.log(0.25))
    expected = (pseudo - 0.2 * 0.562335 + math.log(2) - 0.2 * math.log(0.75)) / 4
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def test_each_kind_of_entry_has_its_gradient() -> None:
    # observed, absent, pseudo-positive, pseudo-negative, unknown
    similarities = torch.tensor([[0.15, 0.15, 0.4, 0.05, 0.25]])
    observed = torch.tensor([[1, -1, 0, 0, 0]])
    method = make(similarities, observed, delta=0.2, gamma=0.3, absent=0.6)
    logits = torch.tensor([[0.5, -1.0, 1.5, 0.7, -2.0]])
    p = torch.sigmoid(logits)[0].tolist()
    expected = [
        p[0] - 1,
        0.6 * p[1],
        0.7 * (p[2] - 0.9),
        0.3 * (p[3] - 0.1),
        0.2 * -2.0 * p[4] * (1 - p[4]),
    ]
    assert gradient_of(method, logits)[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_a_pseudo_positive_rests_at_rho_and_an_unknown_at_one_half() -> None:
    method = make(SIMILARITIES[:1], rho=0.8)
    rest = torch.tensor([[math.log(4), 0.0, 0.0, 0.0]])  # sigmoid(log 4) = 0.8
    torch.testing.assert_close(gradient_of(method, rest), torch.zeros(1, 4), rtol=0, atol=1e-6)


def test_without_pseudo_labels_it_is_em() -> None:
    observed = torch.tensor([[1, 0, 0, -1], [0, 1, 0, 0]])
    logits = torch.tensor([[0.3, -1.0, 2.0, 0.1], [1.0, 0.0, -0.5, 3.0]])
    for settings in ({"theta": 1.0}, {"theta": 1.0, "beta": 0.0}):
        method = make(SIMILARITIES, observed, **settings)
        em = EntropyMaximization(
            know(torch.where(observed > 0, 0.9, 0.1), observed), EntropySettings()
        )
        torch.testing.assert_close(gradient_of(method, logits), gradient_of(em, logits))
        assert float(method.loss(take(logits))) == float(em.loss(take(logits)))


def test_without_beta_a_pseudo_positive_is_neither_learned_nor_held_undecided() -> None:
    gradient = gradient_of(make(SIMILARITIES[:1], beta=0.0), torch.full((1, 4), 2.0))
    assert gradient[0, 0] == 0.0
    assert (gradient[0, 1:] > 0).all()


def test_what_was_observed_goes_before_what_clip_says() -> None:
    observed = torch.tensor([[-1, 1, 0, 0], [0, 0, 0, 1]])
    method = make(SIMILARITIES, observed, delta=0.25)
    assert method.pseudo.tolist() == [[0, 0, 0, -1], [1, 1, 0, 0]]
    assert method.targets[0, :2].tolist() == [0.0, 1.0]
    assert method.targets[1, 3] == 1.0


def test_labels_are_rho_one_minus_rho_at_most_and_else_the_similarity() -> None:
    similarities = torch.tensor([[0.45, 0.20, 0.18, 0.17]])
    method = make(similarities, delta=0.5)
    torch.testing.assert_close(method.targets, torch.tensor([[0.9, 0.2, 0.1, 0.1]]))
    sure = make(SIMILARITIES[:1], delta=0.25)
    assert float(sure.targets[0, 3]) == pytest.approx(0.05, abs=1e-6)


def test_labels_never_change_and_no_pass_is_asked_for() -> None:
    method = make(SIMILARITIES)
    before = method.targets.clone()
    assert asking_epochs(method, range(1, 11)) == []
    assert method.after_epoch(1, Ended()) == {}
    assert torch.equal(method.targets, before)


def test_permuting_the_classes_permutes_labels_and_gradients() -> None:
    draws = torch.Generator().manual_seed(0)
    similarities = torch.softmax(2 * torch.randn(6, 4, generator=draws), dim=1)
    logits, order = torch.randn(6, 4, generator=draws), torch.tensor([2, 0, 3, 1])
    plain, permuted = make(similarities, delta=0.25), make(similarities[:, order], delta=0.25)
    assert torch.equal(permuted.pseudo, plain.pseudo[:, order])
    torch.testing.assert_close(permuted.targets, plain.targets[:, order])
    torch.testing.assert_close(
        gradient_of(permuted, logits[:, order]), gradient_of(plain, logits)[:, order]
    )


def test_labels_without_cosines_are_refused_with_the_mend() -> None:
    with pytest.raises(CdulEdgeError, match=r"vlpl needs the cosines .*: label the pictures again"):
        VisionLanguagePseudoLabels(know(torch.full((2, 3), 0.9)), VlplSettings())


def test_a_threshold_that_nothing_passes_is_refused_unless_positives_were_observed() -> None:
    with pytest.raises(CdulEdgeError, match=r"no similarity above theta 0\.7: give a lower"):
        make(SIMILARITIES, theta=0.7)
    assert make(SIMILARITIES, torch.tensor([[1, 0, 0, 0], [0, 0, 0, 0]]), theta=0.7) is not None


def test_the_defaults_are_those_of_voc() -> None:
    assert VlplSettings() == VlplSettings(
        tau_v=0.03, theta=0.3, alpha=0.2, beta=0.7, rho=0.9, delta=0.0, gamma=0.7
    )

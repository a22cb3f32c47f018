"""Large losses of assumed negatives are rejected or corrected, and no other entry is touched."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.config import MethodName, TrainConfig
from cdul_edge.training.methods import make_method, resolve_settings
from cdul_edge.training.methods.base import AnyMethod
from cdul_edge.training.methods.large_loss import count_large, find_large
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.method_inputs import Ended, know, take

ALL = ("ll-r", "ll-ct", "ll-cp")


def make(
    name: MethodName, scores: Tensor, observed: Tensor | None = None, **settings: Any
) -> AnyMethod:
    return make_method(TrainConfig(method=name, method_settings=settings), know(scores, observed))


def gradient_of(method: AnyMethod, logits: Tensor, epoch: int) -> Tensor:
    """Of the summed loss: the mean's, times the number of entries."""
    z = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(method.loss(take(z, epoch=epoch)) * z.numel(), z)
    return gradient


def draw(seed: int) -> Tensor:
    return torch.randn(8, 5, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("entries", "percent", "growth", "count"),
    [
        (320, 0.5, 1, 2),  # 1.6
        (320, 0.2, 1, 1),
        (2000, 0.1, 1, 2),  # 2 exactly
        (1000, 0.3, 1, 3),
        (1000, 0.1, 3, 3),  # 3 * 0.1 is not 0.3 in floating point
        (2560, 0.5, 9, 116),  # 115.2
        (6, 100, 1, 6),
        (6, 0, 5, 0),
    ],
)
def test_the_number_of_large_losses_is_the_share_rounded_up(
    entries: int, percent: float, growth: int, count: int
) -> None:
    assert count_large(entries, percent, growth) == count


def test_the_largest_losses_of_the_whole_batch_are_found_among_the_candidates() -> None:
    losses = torch.tensor([[9.0, 1.0, 4.0], [3.0, 8.0, 2.0]])
    candidates = torch.tensor([[False, True, True], [True, True, True]])
    found = find_large(losses, candidates, 2)
    assert found.tolist() == [[False, False, True], [False, True, False]]


def test_more_than_there_are_candidates_is_all_of_them_and_no_other() -> None:
    losses = torch.tensor([[9.0, 0.0, 0.0]])
    candidates = torch.tensor([[False, True, True]])
    assert torch.equal(find_large(losses, candidates, 2), candidates)
    assert torch.equal(find_large(losses, candidates, 99), candidates)
    assert not find_large(losses, candidates, 0).any()


@pytest.mark.parametrize("name", ALL)
def test_the_first_epoch_is_that_of_assumed_negatives(name: MethodName) -> None:
    scores, logits = torch.sigmoid(draw(0)), draw(1)
    method = make(name, scores)
    positives = know(scores).positives.float()
    torch.testing.assert_close(
        gradient_of(method, logits, 1), torch.sigmoid(logits) - positives, rtol=1e-5, atol=1e-6
    )
    assert torch.equal(method.targets, positives)


# One positive; five assumed negatives, with losses log(1 + e^z) in the order of their logits.
SCORES = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.6, 0.1]])
LOGITS = torch.tensor([[-5.0, 2.0, -1.0], [0.5, -5.0, 3.0]])


def test_rejected_losses_are_zero_and_still_count_in_the_mean() -> None:
    method = make("ll-r", SCORES, delta_percent=20.0)  # ceil(6 * 0.2 * (2 - 1)) = 2
    loss = method.loss(take(LOGITS, epoch=2))
    kept = 2 * math.log(1 + math.exp(5)) + math.log(1 + math.exp(-1)) + math.log(1 + math.exp(0.5))
    assert float(loss) == pytest.approx(kept / 6, abs=1e-5)
    gradient = gradient_of(method, LOGITS, 2)
    assert gradient[0, 1] == gradient[1, 2] == 0.0
    assert float(gradient[1, 0]) == pytest.approx(1 / (1 + math.exp(-0.5)), abs=1e-6)


@pytest.mark.parametrize("name", ["ll-ct", "ll-cp"])
def test_corrected_entries_are_learned_as_positives(name: MethodName) -> None:
    gradient = gradient_of(make(name, SCORES, delta_percent=20.0), LOGITS, 2)
    for row, column in ((0, 1), (1, 2)):
        p = 1 / (1 + math.exp(-float(LOGITS[row, column])))
        assert float(gradient[row, column]) == pytest.approx(p - 1, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "by_epoch"), [("ll-r", [1, 2, 3]), ("ll-ct", [1, 2, 3]), ("ll-cp", [1, 1, 1])]
)
def test_how_many_losses_are_large_in_each_epoch(name: MethodName, by_epoch: list[int]) -> None:
    # All logits differ; a touched entry has another gradient than the assumed negative's p.
    logits = torch.arange(20.0).view(4, 5) / 10
    scores = torch.full((4, 5), 0.1)
    scores[:, 0] = 0.9
    expected = torch.sigmoid(logits)
    expected[:, 0] -= 1
    found = []
    for epoch in (2, 3, 4):
        gradient = gradient_of(make(name, scores, delta_percent=5.0), logits, epoch)
        touched = (gradient - expected).abs() > 1e-4
        found.append(int(touched.sum()))
        assert touched.flatten().nonzero().flatten().tolist() == sorted([19, 18, 17][: found[-1]])
    assert found == by_epoch


@pytest.mark.parametrize("name", ALL)
def test_positives_and_observed_absences_are_learned_as_they_are_even_when_all_else_is_large(
    name: MethodName,
) -> None:
    observed = torch.tensor([[0, -1, 0], [1, 0, 0]])
    method = make(name, SCORES, observed, delta_percent=100.0)
    gradient = gradient_of(method, LOGITS, 5)
    p = torch.sigmoid(LOGITS)
    expected = {(0, 0): p[0, 0] - 1, (1, 1): p[1, 1] - 1, (0, 1): p[0, 1], (1, 0): p[1, 0] - 1}
    for (row, column), value in expected.items():
        assert float(gradient[row, column]) == pytest.approx(float(value), abs=1e-6)
    method.after_epoch(5, Ended())
    assert method.targets[0, :2].tolist() == [1.0, 0.0]
    assert method.targets[1, :2].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("name", ["ll-r", "ll-ct"])
def test_what_is_not_for_good_changes_no_label(name: MethodName) -> None:
    method = make(name, SCORES, delta_percent=50.0)
    before = method.targets.clone()
    method.loss(take(LOGITS, epoch=2))
    assert method.after_epoch(2, Ended()) == {}
    assert torch.equal(method.targets, before)
    assert method.state_dict() == {}


def test_what_is_corrected_for_good_is_a_label_from_the_next_epoch_on() -> None:
    method = make("ll-cp", SCORES, delta_percent=20.0)
    method.loss(take(LOGITS, epoch=2))
    assert method.targets.sum() == 2
    log = method.after_epoch(2, Ended())
    assert log == {"labels_corrected": pytest.approx(2 / 6)}
    assert method.targets.tolist() == [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]
    gradient = gradient_of(method, LOGITS, 3)  # now the two next largest are corrected
    assert float(gradient[0, 1]) == pytest.approx(-1 / (1 + math.exp(2)), abs=1e-6)
    method.after_epoch(3, Ended())
    assert method.targets.tolist() == [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]


def test_corrections_are_written_to_the_pictures_that_the_batch_held() -> None:
    method = make("ll-cp", torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]]), delta_percent=25.0)
    method.loss(take(torch.tensor([[0.0, 3.0], [0.0, 1.0]]), torch.tensor([2, 0]), epoch=2))
    method.loss(take(torch.tensor([[0.0, -4.0]]), torch.tensor([1]), epoch=2))
    method.after_epoch(2, Ended())
    assert method.targets.tolist() == [[1.0, 0.0], [1.0, 1.0], [1.0, 1.0]]


def test_labels_corrected_for_good_only_grow() -> None:
    method = make("ll-cp", torch.sigmoid(draw(0)) * 0.8, delta_percent=5.0)
    for epoch in range(2, 8):
        before = method.targets.clone()
        method.loss(take(draw(epoch), epoch=epoch))
        log = method.after_epoch(epoch, Ended())
        assert (method.targets >= before).all()
        assert float((method.targets - before).sum()) == 2
        assert log["labels_corrected"] == pytest.approx(2 / 40)


@pytest.mark.parametrize("name", ALL)
def test_the_choice_of_entries_has_no_gradient_and_leaves_the_rest_alone(name: MethodName) -> None:
    scores, logits = torch.sigmoid(draw(0)), draw(1)
    method = make(name, scores, delta_percent=5.0)
    gradient = gradient_of(method, logits, 2)
    plain = torch.sigmoid(logits) - method.targets
    losses = F.binary_cross_entropy_with_logits(logits, method.targets, reduction="none")
    large = losses.masked_fill(method.targets > 0, -1).flatten().topk(2).indices
    others = torch.ones(40, dtype=torch.bool)
    others[large] = False
    torch.testing.assert_close(gradient.flatten()[others], plain.flatten()[others])
    assert not torch.allclose(gradient.flatten()[large], plain.flatten()[large])


@pytest.mark.parametrize("name", ALL)
def test_permuting_the_classes_permutes_labels_and_gradients(name: MethodName) -> None:
    scores, logits, order = torch.sigmoid(draw(0)), draw(1), torch.tensor([4, 2, 0, 3, 1])
    plain = make(name, scores, delta_percent=10.0)
    permuted = make(name, scores[:, order], delta_percent=10.0)
    torch.testing.assert_close(
        gradient_of(permuted, logits[:, order], 3), gradient_of(plain, logits, 3)[:, order]
    )
    for method in (plain, permuted):
        method.after_epoch(3, Ended())
    assert torch.equal(permuted.targets, plain.targets[:, order])


def test_a_state_that_was_saved_and_loaded_goes_on_alike() -> None:
    scores = torch.sigmoid(draw(0))
    one, other = make("ll-cp", scores), make("ll-cp", scores)
    one.loss(take(draw(1), epoch=2))
    one.after_epoch(2, Ended())
    other.load_state_dict(one.state_dict())
    for method in (one, other):
        method.loss(take(draw(2), epoch=3))
        method.after_epoch(3, Ended())
    assert torch.equal(other.targets, one.targets)
    assert not torch.equal(other.targets, know(scores).positives.float())


@pytest.mark.parametrize("name", ALL)
def test_without_any_positive_there_is_nothing_to_learn(name: MethodName) -> None:
    with pytest.raises(CdulEdgeError, match=f"the method {name} learns from positive labels"):
        make(name, torch.tensor([[0.9, 0.1]]), torch.tensor([[-1, 0]]))


@pytest.mark.parametrize(("name", "percent"), [("ll-r", 0.5), ("ll-ct", 0.2), ("ll-cp", 0.1)])
def test_the_defaults_are_those_of_the_public_code(name: MethodName, percent: float) -> None:
    settings: Any = resolve_settings(TrainConfig(method=name))
    assert settings.delta_percent == percent

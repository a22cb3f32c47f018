"""`partial-bce`: what is known, what an unknown entry costs (nothing), and how the known grows."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.methods.partial_bce import (
    CurriculumSettings,
    PartialBce,
    low_scores,
    partial_loss,
)
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.method_inputs import Ended, asking_epochs, know, take

# Positives: (0, 0) and (1, 1). Of the rest 0.005 and 0.01 are up to theta_neg = 0.01.
SCORES = torch.tensor([[0.8, 0.3, 0.005, 0.2], [0.01, 0.6, 0.3, 0.4]])


def make(
    scores: Tensor = SCORES, observed: Tensor | None = None, epochs: int = 10, **settings: Any
) -> PartialBce:
    given = CurriculumSettings(**{"theta_neg": 0.01, **settings})
    return PartialBce(know(scores, observed, epochs=epochs), given)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_known_are_positives_and_very_low_scores() -> None:
    method = make()
    assert method.known.tolist() == [[True, False, True, False], [True, True, False, False]]
    expected = torch.tensor([[1.0, 0.3, 0.0, 0.2], [0.0, 1.0, 0.3, 0.4]])
    assert torch.equal(method.targets, expected)  # the unknown keep their scores


def test_half_of_what_is_not_positive_is_known_without_a_threshold() -> None:
    rest = torch.tensor([[False, True, True, True], [True, False, True, True]])
    # Of 0.005, 0.01, 0.2, 0.3, 0.3, 0.4 the lower median is 0.2.
    low = low_scores(SCORES, rest, None)
    assert low.tolist() == [[False, False, True, True], [True, False, False, False]]
    assert make(theta_neg=None).known.sum() == 5


def test_the_known_of_equal_scores_do_not_depend_on_their_scale() -> None:
    scores = 0.49 * torch.rand(20, 6, generator=torch.Generator().manual_seed(0))
    scores[:, 0] = 0.9
    squeezed = torch.cat([scores[:, :1], 0.01 * scores[:, 1:]], dim=1)
    assert torch.equal(make(scores, theta_neg=None).known, make(squeezed, theta_neg=None).known)


def test_the_loss_by_hand() -> None:
    # Picture 0: one of two known, f = 0.5, g = 3.225; picture 1: both, g = 1. All logits are 0.
    known = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    targets = torch.tensor([[1.0, 0.7], [0.0, 1.0]])
    expected = (3.225 * math.log(2) / 2 + math.log(2)) / 2
    assert float(partial_loss(torch.zeros(2, 2), targets, known)) == pytest.approx(expected)


def test_a_tenth_known_weighs_five() -> None:
    known = torch.zeros(1, 10)
    known[0, 3] = 1.0
    loss = partial_loss(torch.zeros(1, 10), torch.zeros(1, 10), known)
    assert float(loss) == pytest.approx(5.005 * math.log(2) / 10)


def test_everything_known_is_plain_cross_entropy() -> None:
    logits, truth = draw(6, 5), (draw(6, 5, seed=1) > 0).int() * 2 - 1
    method = make(torch.sigmoid(draw(6, 5, seed=2)), truth)
    expected = F.binary_cross_entropy_with_logits(logits, (truth > 0).float())
    torch.testing.assert_close(method.loss(take(logits)), expected)


def test_unknown_entries_have_no_gradient_and_a_picture_without_any_known_none_at_all() -> None:
    logits = draw(3, 4).requires_grad_()
    known = torch.tensor([[1.0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]])
    loss = partial_loss(logits, torch.full((3, 4), 0.3), known)
    (found,) = torch.autograd.grad(loss, logits)
    assert torch.equal(found != 0, known > 0)


def test_the_gradient_of_a_known_entry() -> None:
    logits = draw(2, 4).requires_grad_()
    method = make()
    (found,) = torch.autograd.grad(method.loss(take(logits)), logits)
    # Two of four are known in each picture: g = 5.45 - 4.45 / 2 = 3.225.
    pulled = torch.sigmoid(logits.detach()) - method.targets
    torch.testing.assert_close(found, 3.225 * method.known * pulled / 8)


def test_entries_that_the_network_is_sure_of_become_known() -> None:
    method = make(theta_grow=2.0)
    logits = torch.tensor([[-9.0, 2.5, 9.0, 1.9], [3.0, -3.0, -2.5, -2.0]])
    log = method.after_epoch(2, Ended(logits))
    assert method.known.tolist() == [[True, True, True, False], [True, True, True, False]]
    # What was known at first stays as it was, however sure the network is of the opposite.
    expected = torch.tensor([[1.0, 1.0, 0.0, 0.2], [0.0, 1.0, 0.0, 0.4]])
    assert torch.equal(method.targets, expected)
    assert log == {"labels_known": 0.75}


def test_additions_are_made_anew_each_time() -> None:
    method = make()
    first = method.targets.clone(), method.known.clone()
    method.after_epoch(2, Ended(torch.full((2, 4), 5.0)))
    assert bool(method.known.all())
    method.after_epoch(4, Ended(torch.zeros(2, 4)))
    assert torch.equal(method.targets, first[0])
    assert torch.equal(method.known, first[1])


def test_the_known_grow_after_every_second_epoch_from_the_second_and_not_after_the_last() -> None:
    assert asking_epochs(make(), range(1, 11)) == [2, 4, 6, 8]
    never = make(freeze_after=0.0)
    assert asking_epochs(never, range(1, 11)) == []
    method = make()
    assert method.after_epoch(1, Ended()) == {}


def test_what_was_observed_is_known_and_stays() -> None:
    observed = torch.tensor([[-1, 1, 0, -1], [0, 0, 0, 0]])
    method = make(observed=observed)
    assert method.known[0].tolist() == [True, True, True, True]
    assert method.targets[0].tolist() == [0.0, 1.0, 0.0, 0.0]
    method.after_epoch(2, Ended(torch.tensor([[9.0, -9.0, 9.0, 9.0], [0.0, 0.0, 0.0, 0.0]])))
    assert method.targets[0].tolist() == [0.0, 1.0, 0.0, 0.0]


def test_no_negative_at_all_is_one_line() -> None:
    with pytest.raises(CdulEdgeError, match=r"no score is at or below theta_neg 0\.001: raise it"):
        make(theta_neg=0.001)
    seen = torch.zeros(2, 4, dtype=torch.int8)
    seen[0, 1] = -1
    assert make(observed=seen, theta_neg=0.001).known.sum() == 3  # an observed one will do


@pytest.mark.parametrize("theta_neg", [0.1, None])
def test_the_order_of_classes_and_pictures_does_not_matter(theta_neg: float | None) -> None:
    scores, logits = torch.sigmoid(draw(7, 4)), draw(7, 4, seed=1)
    rows, columns = torch.randperm(7), torch.tensor([2, 0, 3, 1])
    plain = make(scores, theta_neg=theta_neg)
    shuffled = make(scores[rows][:, columns], theta_neg=theta_neg)
    for method, shown in ((plain, logits), (shuffled, logits[rows][:, columns])):
        method.after_epoch(2, Ended(shown))
    assert torch.equal(plain.targets[rows][:, columns], shuffled.targets)
    torch.testing.assert_close(
        plain.loss(take(logits)), shuffled.loss(take(logits[rows][:, columns]))
    )


def test_a_state_that_was_saved_and_loaded_goes_on_alike() -> None:
    scores, logits = torch.sigmoid(draw(5, 4)), draw(5, 4, seed=1)
    one, other = make(scores, theta_neg=None), make(scores, theta_neg=None)
    one.after_epoch(2, Ended(logits))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.loss(take(logits)), other.loss(take(logits)))
    for method in (one, other):
        method.after_epoch(4, Ended(-logits))
    assert torch.equal(one.targets, other.targets)
    assert torch.equal(one.known, other.known)

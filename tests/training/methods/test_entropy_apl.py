"""EM+APL: absence is labeled from the lowest scores up, once, and a share an epoch."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from cdul_edge.training.methods.entropy import EntropyMaximization, EntropySettings
from cdul_edge.training.methods.entropy_apl import (
    AplSettings,
    AsymmetricPseudoLabels,
    lowest_of_each_class,
)
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.method_inputs import Ended, asking_epochs, know, take


def make(
    scores: Tensor, observed: Tensor | None = None, epochs: int = 10, **settings: Any
) -> AsymmetricPseudoLabels:
    return AsymmetricPseudoLabels(know(scores, observed, epochs=epochs), AplSettings(**settings))


def draw(rows: int, classes: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed))


def one_positive_each(rows: int, classes: int) -> Tensor:
    """(rows, classes) scores of 0.1, and 0.9 for one class a picture, in turn."""
    scores = torch.full((rows, classes), 0.1)
    scores[torch.arange(rows), torch.arange(rows) % classes] = 0.9
    return scores


def test_the_lowest_free_scores_of_each_class_are_found() -> None:
    scores = torch.tensor([[0.1, 0.4], [0.2, 0.3], [0.3, 0.2], [0.4, 0.1]])
    free = torch.tensor([[False, True], [True, True], [True, True], [True, False]])
    found = lowest_of_each_class(scores, free, torch.tensor([2, 1]))
    assert found.tolist() == [[False, False], [True, False], [True, True], [False, False]]


def test_no_more_are_found_than_are_free() -> None:
    free = torch.tensor([[True], [False], [True]])
    found = lowest_of_each_class(torch.tensor([[3.0], [1.0], [2.0]]), free, torch.tensor([9]))
    assert torch.equal(found, free)


def test_each_class_takes_its_share_of_its_unknown_entries_in_equal_parts() -> None:
    # Ten pictures, one positive each, classes in turn: the first class has two, so has every one.
    method = make(one_positive_each(10, 5), epochs=8, label_warmup=4)
    assert asking_epochs(method, range(1, 9)) == [4, 5, 6, 7]
    assert method.counts.tolist() == [1] * 5  # floor(0.9 * 8 / 4)
    whole = make(one_positive_each(20, 2), epochs=10, label_warmup=1)
    assert whole.counts.tolist() == [1, 1]  # 0.9 * 10 / 9, which is 1 and must not become 0


def test_the_default_takes_nine_tenths_from_the_fifth_epoch_to_the_last_but_one() -> None:
    method = make(one_positive_each(200, 2))
    assert asking_epochs(method, range(1, 11)) == [5, 6, 7, 8, 9]
    assert method.counts.tolist() == [18, 18]  # 0.9 * 100 / (10 - 5)
    for epoch in range(5, 10):
        method.after_epoch(epoch, Ended(draw(200, 2, seed=epoch)))
        taken = (~method.negatives.isnan()).sum(dim=0)
        assert taken.tolist() == [18 * (epoch - 4)] * 2


def test_the_counts_grow_until_nothing_is_unknown() -> None:
    method = make(one_positive_each(6, 3), share=1.0, epochs=4, label_warmup=1)
    assert method.counts.tolist() == [1, 1, 1]  # floor(4 / 3)
    method.counts = torch.tensor([3, 3, 3])
    grown = []
    for epoch in range(1, 4):
        method.after_epoch(epoch, Ended(draw(6, 3, seed=epoch)))
        grown.append((~method.negatives.isnan()).sum(dim=0).tolist())
    assert grown == [[3, 3, 3], [4, 4, 4], [4, 4, 4]]


def test_an_entry_keeps_the_label_that_it_was_given() -> None:
    method = make(one_positive_each(12, 3), epochs=5, label_warmup=1)  # floor(7.2 / 4) = 1 a class
    for epoch in range(1, 5):
        logits = draw(12, 3, seed=epoch)
        before = method.negatives.clone()
        method.after_epoch(epoch, Ended(logits))
        new = before.isnan() & ~method.negatives.isnan()
        torch.testing.assert_close(method.negatives[new], torch.sigmoid(logits)[new])
        assert torch.equal(method.negatives[~before.isnan()], before[~before.isnan()])
        assert new.sum(dim=0).tolist() == [1, 1, 1]


def test_positives_and_observed_entries_are_never_taken() -> None:
    scores = one_positive_each(6, 3)
    observed = torch.zeros(6, 3)
    observed[0, 1], observed[1, 2] = 1, -1
    method = make(scores, observed, share=1.0, epochs=2)
    method.after_epoch(1, Ended(torch.full((6, 3), -9.0)))
    known = (scores > 0.5) | (observed != 0)
    assert method.negatives[known].isnan().all()
    assert not method.negatives[~known].isnan().any()
    assert method.targets[0].tolist() == [1.0, 1.0, pytest.approx(torch.sigmoid(-torch.tensor(9)))]
    assert method.targets[1, 2] == 0.0


def test_the_loss_by_hand() -> None:
    method = make(torch.tensor([[0.9, 0.1, 0.1]]), alpha=0.2, beta=0.5)
    method.negatives = torch.tensor([[torch.nan, 0.2, torch.nan]])
    loss = method.loss(take(torch.logit(torch.tensor([[0.5, 0.25, 0.25]]))))
    pseudo = -0.2 * math.log(0.25) - 0.8 * math.log(0.75)
    expected = (math.log(2) + 0.5 * pseudo - 0.2 * 0.562335) / 3
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def test_the_gradient_on_a_pseudo_negative_is_beta_p_minus_its_label() -> None:
    method = make(torch.tensor([[0.9, 0.1, 0.1]]), alpha=0.2, beta=0.5)
    method.negatives = torch.tensor([[torch.nan, 0.2, torch.nan]])
    z = torch.tensor([[0.0, 1.0, -2.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(method.loss(take(z)) * 3, z)
    p = torch.sigmoid(z.detach())[0]
    expected = [-0.5, 0.5 * (float(p[1]) - 0.2), 0.2 * -2.0 * float(p[2] * (1 - p[2]))]
    assert gradient[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_before_the_warm_up_ends_it_is_em() -> None:
    scores, logits = torch.sigmoid(draw(6, 4)), draw(6, 4, seed=1)
    em = EntropyMaximization(know(scores), EntropySettings(alpha=0.3))
    assert float(make(scores, alpha=0.3).loss(take(logits))) == float(em.loss(take(logits)))


def test_being_called_absent_may_only_lower_a_label() -> None:
    scores = torch.tensor([[0.9, 0.4, 0.1]])
    method = make(scores.repeat(2, 1), share=1.0, epochs=2, label_warmup=1)
    log = method.after_epoch(1, Ended(torch.logit(torch.tensor([[0.9, 0.3, 0.3]])).repeat(2, 1)))
    torch.testing.assert_close(method.targets, torch.tensor([[1.0, 0.3, 0.1]]).repeat(2, 1))
    assert log["pseudo_negatives_added"] == pytest.approx(4 / 6)
    assert log["pseudo_negatives"] == pytest.approx(4 / 6)


@pytest.mark.parametrize("axis", [0, 1])
def test_permuting_pictures_or_classes_permutes_the_labels(axis: int) -> None:
    scores, logits = torch.sigmoid(draw(8, 8)), draw(8, 8, seed=1)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    plain, permuted = make(scores, epochs=4), make(scores.index_select(axis, order), epochs=4)
    for epoch in (2, 3):
        plain.after_epoch(epoch, Ended(logits))
        permuted.after_epoch(epoch, Ended(logits.index_select(axis, order)))
    found, expected = permuted.negatives, plain.negatives.index_select(axis, order)
    torch.testing.assert_close(found, expected, equal_nan=True)
    assert torch.equal(permuted.targets, plain.targets.index_select(axis, order))


def test_a_state_that_was_saved_and_loaded_goes_on_alike() -> None:
    scores = torch.sigmoid(draw(9, 3))
    one, other = make(scores, epochs=6), make(scores, epochs=6)
    one.after_epoch(3, Ended(draw(9, 3, seed=1)))
    other.load_state_dict(one.state_dict())
    logits = draw(9, 3, seed=2)
    for method in (one, other):
        method.after_epoch(4, Ended(logits))
    torch.testing.assert_close(other.negatives, one.negatives, equal_nan=True)
    assert torch.equal(other.targets, one.targets)
    assert float(other.loss(take(logits))) == float(one.loss(take(logits)))


def test_a_run_without_an_epoch_after_the_warm_up_labels_nothing() -> None:
    method = make(torch.tensor([[0.9, 0.1]]), epochs=1)
    assert asking_epochs(method, [1]) == []
    assert method.after_epoch(1, Ended()) == {}


def test_without_any_positive_there_is_nothing_to_learn() -> None:
    with pytest.raises(CdulEdgeError, match="the method em-apl learns from positive labels"):
        make(torch.tensor([[0.9, 0.1]]), torch.tensor([[-1, 0]]))


def test_the_defaults_are_those_of_voc() -> None:
    chosen = AplSettings()
    assert (chosen.alpha, chosen.beta, chosen.share) == (0.2, 0.02, 0.9)
    assert next(epoch for epoch in range(1, 11) if chosen.due(epoch, 10)) == 5

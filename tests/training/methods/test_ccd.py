"""Classifier-guided distillation: its equations by hand, and what it must never do."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.methods.ccd import (
    CcdSettings,
    ClassifierGuided,
    class_bias,
    find_sure,
    find_threshold,
)
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.method_inputs import asking_epochs, know, take

SCORES = torch.tensor([[0.8, 0.1, 0.1], [0.6, 0.2, 0.0], [0.1, 0.5, 0.2], [0.3, 0.3, 0.3]])


def make(scores: Tensor = SCORES, observed: Tensor | None = None, **settings: Any) -> Any:
    """Ten epochs, of which two are the warm-up."""
    given = {"label_warmup": 2, **settings}
    return ClassifierGuided(know(scores, observed), CcdSettings(**given))


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def draw_sure(*shape: int) -> Tensor:
    """Scores that are mostly low, as pseudo-labels are: many pictures are sure."""
    return draw(*shape) ** 6


def test_an_even_picture_is_not_sure_and_a_peaked_one_is() -> None:
    # (0.5, 0.5, 0): entropy ln 2 = 0.63 ln 3, within 2/3; (1/3, 1/3, 1/3): ln 3.
    scores = torch.tensor([[0.5, 0.5, 0.0], [0.3, 0.3, 0.3], [0.9, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert find_sure(scores, 2 / 3).tolist() == [True, False, True, False]
    assert find_sure(scores, 0.63).tolist() == [False, False, True, False]
    assert find_sure(scores, 1.0).tolist() == [True, True, True, False]


def test_the_bias_is_the_mean_of_the_best_scores_of_sure_pictures() -> None:
    sure = torch.tensor([True, True, True, False])
    # class 0 is best at 0.8 and 0.6, class 1 at 0.5; class 2 nowhere: the mean of the others
    torch.testing.assert_close(class_bias(SCORES, sure), torch.tensor([0.7, 0.5, 0.6]))


def test_no_sure_picture_is_an_error_that_says_what_to_set() -> None:
    with pytest.raises(CdulEdgeError, match="--set sure_entropy=1, or --set debias=off"):
        make(torch.full((3, 4), 0.4), sure_entropy=0.5)


def test_the_first_labels_are_the_scores_over_the_bias_up_to_one() -> None:
    method = make(sure_entropy=0.9)  # all but the last picture
    expected = torch.tensor(
        [[1.0, 0.2, 1 / 6], [6 / 7, 0.4, 0.0], [1 / 7, 1.0, 1 / 3], [3 / 7, 0.6, 0.5]]
    )
    torch.testing.assert_close(method.targets, expected)
    floored = make(sure_entropy=0.9, floor=True)  # at 1/3
    torch.testing.assert_close(floored.targets[1, 2], torch.tensor(1 / 3 / 0.6))
    assert torch.equal(make(debias=False).targets, SCORES)


def test_debiasing_keeps_the_order_of_each_classes_scores() -> None:
    method = make(draw_sure(40, 5))
    scores = draw(40, 5, seed=1)
    for plain, freed in zip(scores.T, method.debias(scores).T, strict=True):
        assert torch.equal(plain.argsort(), freed.argsort())


def test_cosines_are_taken_as_a_softmax_at_the_temperature() -> None:
    cosines = torch.tensor([[0.3, 0.28], [0.2, 0.26]])
    given = CcdSettings(source="cosines", temperature=0.02, debias=False)
    found = ClassifierGuided(know(torch.zeros(2, 2), cosines=cosines), given).targets
    share = 1 / (1 + math.exp(-1))  # a difference of 0.02; and one of 0.06
    assert found[0].tolist() == pytest.approx([share, 1 - share], abs=1e-5)
    assert found[1, 1].item() == pytest.approx(1 / (1 + math.exp(-3)), abs=1e-5)


def test_cosines_that_are_not_there_are_one_clear_line() -> None:
    with pytest.raises(CdulEdgeError, match="source=cosines needs CLIP's similarities"):
        make(source="cosines")


def test_the_threshold_is_the_smallest_that_leaves_few_enough_classes() -> None:
    # 4 pictures: how many of the 12 scores are at or above t, a picture
    scores = torch.tensor([[0.9, 0.5, 0.2], [0.8, 0.4, 0.1], [0.7, 0.3, 0.1], [0.6, 0.3, 0.1]])
    # below 2 a picture are at most 7 scores: the eighth, 0.3, must go
    assert find_threshold(scores, 1.0) == pytest.approx(0.301, abs=5e-4)
    # below 3 are at most 11: one of the three at 0.1 must go, and with it all
    assert find_threshold(scores, 2.0) == pytest.approx(0.101, abs=5e-4)
    assert find_threshold(scores, 5.0) == pytest.approx(0.05)
    assert find_threshold(torch.ones(4, 3), 1.0) == 1.0


@pytest.mark.parametrize(("classes", "mean"), [(20, 5.0), (80, 5.0), (12, 3.0), (3, 2.0)])
def test_a_quarter_of_the_classes_is_looked_at_between_two_and_five(
    classes: int, mean: float
) -> None:
    scores = draw_sure(100, classes)
    method = make(scores)
    wanted = method.choose_regions(torch.logit(draw(100, classes, seed=1))).wanted
    assert mean - 1 < wanted.sum() / 100 < mean + 1
    assert wanted.sum() / 100 == pytest.approx(mean + 1, abs=0.15)  # the smallest such threshold
    assert make(scores, classes_per_picture=1.5).choose_regions(
        torch.logit(draw(100, classes, seed=1))
    ).wanted.sum() / 100 == pytest.approx(2.5, abs=0.15)


def test_the_old_label_and_the_second_look_are_mixed_by_the_share_and_then_cut() -> None:
    method = make(sure_entropy=0.9, old_share=0.2)
    before = method.targets.clone()
    method.choose_regions(torch.zeros(4, 3))
    looked = torch.tensor([[0.7, 0.1, 0.3], [0.0, 0.0, 0.0], [0.35, 0.25, 0.6], [0.9, 0.1, 0.0]])
    log = method.take_look(looked)
    # bias 0.7, 0.5, 0.6: the looks become (1, 0.2, 0.5), -, (0.5, 0.5, 1), (1.29, 0.2, 0)
    expected = torch.tensor(
        [
            [0.2 * 1.0 + 0.8, 0.2 * 0.2 + 0.16, 0.2 / 6 + 0.4],
            before[1].tolist(),  # no region of this picture was looked at
            [0.2 / 7 + 0.4, 0.2 + 0.4, 0.2 / 3 + 0.8],
            [1.0, 0.2 * 0.6 + 0.16, 0.2 * 0.5],  # 0.0857 + 1.029 is cut at 1
        ]
    )
    torch.testing.assert_close(method.targets, expected)
    assert log["pictures_seen_again"] == 0.75
    assert log["labels_crossed_up"] == pytest.approx(2 / 12)  # (2, 2) and (3, 0)
    assert log["labels_crossed_down"] == pytest.approx(2 / 12)  # (3, 1) and (3, 2)


def test_observed_labels_stay_before_and_after_the_look() -> None:
    observed = torch.tensor([[-1, 0, 1], [0, 1, 0], [0, -1, 0], [0, 0, 0]])
    method = make(observed=observed)
    for _ in range(2):
        assert (method.targets[observed == 1] == 1).all()
        assert (method.targets[observed == -1] == 0).all()
        method.choose_regions(torch.zeros(4, 3))
        method.take_look(draw(4, 3))


def test_hard_labels_are_hard_before_and_after_the_look() -> None:
    method = ClassifierGuided(know(SCORES, hard=True), CcdSettings())
    assert set(method.targets.flatten().tolist()) == {0.0, 1.0}
    method.choose_regions(torch.zeros(4, 3))
    method.take_look(draw(4, 3))
    assert set(method.targets.flatten().tolist()) == {0.0, 1.0}


def test_the_warm_up_is_plain_cross_entropy() -> None:
    method = make(unsure_weight=0.1)
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    expected = F.binary_cross_entropy_with_logits(logits, method.targets)
    for epoch in (1, 2):
        assert torch.equal(method.loss(take(logits, epoch=epoch)), expected)
    assert method.loss(take(logits, epoch=3)) != expected


def test_unsure_pictures_count_less_after_the_warm_up() -> None:
    method = make(unsure_weight=0.25, consistency=0.0, sure_entropy=0.9)
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    each = F.binary_cross_entropy_with_logits(logits, method.targets, reduction="none")
    expected = (each[:3].sum() + 0.25 * each[3].sum()) / 12
    torch.testing.assert_close(method.loss(take(logits, epoch=3)), expected)


def test_the_second_view_learns_from_the_first_and_not_the_other_way_round() -> None:
    method = make(consistency=2.0)
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    other = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    step = replace(take(logits, epoch=3), another_view=lambda: other, network=lambda images: images)
    loss = method.loss(step)
    to_first, to_second = torch.autograd.grad(loss, (logits, other))
    plain = F.binary_cross_entropy_with_logits(logits, method.targets)
    (alone,) = torch.autograd.grad(plain, logits)
    torch.testing.assert_close(to_first, alone)  # nothing through the wanted answer
    wanted = torch.sigmoid(logits.detach())
    torch.testing.assert_close(to_second, 2.0 * (torch.sigmoid(other.detach()) - wanted) / 12)
    extra = F.binary_cross_entropy_with_logits(other, wanted)
    torch.testing.assert_close(loss, plain + 2.0 * extra)


def test_without_consistency_no_second_view_is_made() -> None:
    def forbidden() -> Tensor:
        raise AssertionError("a second forward pass was made")

    method = make(consistency=0.0)
    method.loss(replace(take(torch.zeros(4, 3), epoch=5), another_view=forbidden))


def test_the_look_comes_once_after_the_warm_up_or_never() -> None:
    method = make(label_warmup=3)
    assert method.look_epoch == 3
    assert asking_epochs(method, range(1, 11)) == [3]
    off = make(relabel=False)
    assert off.look_epoch is None
    assert asking_epochs(off, range(1, 11)) == []


def test_a_run_that_ends_before_the_look_is_refused() -> None:
    short = know(SCORES, epochs=2)
    with pytest.raises(CdulEdgeError, match="looks again after epoch 2 of 2: give more --epochs"):
        ClassifierGuided(short, CcdSettings(label_warmup=2))
    ClassifierGuided(short, CcdSettings(label_warmup=2, relabel=False))
    with pytest.raises(CdulEdgeError, match="looks again after epoch 1 of 1"):
        ClassifierGuided(know(SCORES, epochs=1), CcdSettings())


@pytest.mark.parametrize(("epochs", "look"), [(2, 1), (3, 1), (8, 4), (10, 5), (40, 5)])
def test_the_look_comes_after_five_epochs_or_half_of_a_short_run(epochs: int, look: int) -> None:
    assert ClassifierGuided(know(SCORES, epochs=epochs), CcdSettings()).look_epoch == look


@pytest.mark.parametrize("rows", [False, True])
def test_permuting_classes_or_pictures_permutes_the_labels(rows: bool) -> None:
    scores, looks, logits = draw_sure(8, 5), draw(8, 5, seed=1), torch.logit(draw(8, 5, seed=2))
    order = torch.randperm(8 if rows else 5, generator=torch.Generator().manual_seed(0))

    def turn(values: Tensor) -> Tensor:
        return values[order] if rows else values[:, order]

    plain, turned = make(scores), make(turn(scores))
    assert torch.equal(
        turn(plain.choose_regions(logits).wanted), turned.choose_regions(turn(logits)).wanted
    )
    plain.take_look(looks)
    turned.take_look(turn(looks))
    torch.testing.assert_close(turned.targets, turn(plain.targets))


def test_the_labels_after_the_look_are_in_the_state() -> None:
    one, other = make(), make()
    one.choose_regions(torch.zeros(4, 3))
    one.take_look(draw(4, 3))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.targets, other.targets)
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(one.loss(take(logits, epoch=5)), other.loss(take(logits, epoch=5)))

"""Observed labels alone: how often a class is there, and what each method takes an unknown for."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from cdul_edge.training.config import MethodName, TrainConfig
from cdul_edge.training.methods import AnyMethod, make_method
from cdul_edge.training.methods.known_labels import (
    asks_both_ways,
    know_observed_only,
    observed_prevalence,
)
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.method_inputs import Ended, take

# Both ways: "a" was seen in one of two answers, "b" in one of three, "c" in none of one.
BOTH_WAYS = torch.tensor([[1, -1, 0], [-1, 1, 0], [0, -1, -1], [0, 0, 0]])
# One class of each picture but the last: nobody said what is absent.
SEEN = torch.tensor([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0]])


def make(
    name: MethodName, observed: Tensor, cosines: Tensor | None = None, **settings: Any
) -> AnyMethod:
    known = know_observed_only(observed.to(torch.int8), cosines=cosines, epochs=4)
    return make_method(TrainConfig(method=name, epochs=4, method_settings=settings), known)


def slopes(method: AnyMethod, epoch: int = 1, logit: float = 0.0) -> Tensor:
    """(N, C) dL/dz of the sum of all entries' losses, where every logit is the same."""
    z = torch.full(method.targets.shape, logit, requires_grad=True)
    (gradient,) = torch.autograd.grad(method.loss(take(z, epoch=epoch)), z)
    return gradient * z.numel()


def test_people_answered_both_ways_from_a_fifth_of_absences_on() -> None:
    assert asks_both_ways(torch.tensor([[1, 1, 1, 1, -1]]))
    assert not asks_both_ways(torch.tensor([[1, 1, 1, 1, 1, -1]]))
    assert not asks_both_ways(torch.zeros(2, 2))


def test_how_often_a_class_is_there_by_hand() -> None:
    torch.testing.assert_close(observed_prevalence(BOTH_WAYS), torch.tensor([1 / 2, 1 / 3, 0]))
    torch.testing.assert_close(observed_prevalence(SEEN), torch.tensor([2 / 4, 1 / 4, 0]))


def test_an_unknown_label_is_its_classs_share_and_no_positive() -> None:
    known = know_observed_only(SEEN.repeat(1, 1), epochs=1)
    expected = torch.tensor([[1, 1 / 4, 0], [1 / 2, 1, 0], [1, 1 / 4, 0], [1 / 2, 1 / 4, 0]])
    torch.testing.assert_close(known.targets, expected)
    assert torch.equal(known.positives, SEEN > 0)  # a picture of which nothing is known has none


# dL/dz at z = 0, so p = 1/2: what an unknown entry pulls a score to. Absent pulls by 1/2.
AT_A_HALF: dict[MethodName, float] = {
    "an": 0.5,
    "ls": 0.4,  # p - 0.1
    "wan": 0.25,  # 0.5 / (3 - 1)
    "ll-r": 0.5,  # nothing is large in the first epoch
    "ll-ct": 0.5,
    "ll-cp": 0.5,
    "em": 0.0,
    "em-apl": 0.0,
    "plmcl": 0.5,  # until the network is asked
    "g2netpl": 0.5,
}


@pytest.mark.parametrize("name", AT_A_HALF)
def test_of_present_classes_alone_the_rest_is_what_the_paper_takes_it_for(name: MethodName) -> None:
    found = slopes(make(name, SEEN))
    torch.testing.assert_close(found[SEEN == 0], torch.full((9,), AT_A_HALF[name]))
    present = -0.4 if name == "ls" else -0.5  # all labels are smoothed: p - 0.9
    torch.testing.assert_close(found[SEEN > 0], torch.full((3,), present))


@pytest.mark.parametrize("name", ["fixed", "partial-bce", "plmcl", "g2netpl"])
def test_of_answers_both_ways_an_unknown_entry_teaches_nothing(name: MethodName) -> None:
    found = slopes(make(name, BOTH_WAYS))
    assert not found[BOTH_WAYS == 0].any()
    # In partial-bce a picture's known share f weighs 5.45 - 4.45 f: two, two, two, none of three.
    weight = 5.45 - 4.45 * 2 / 3 if name == "partial-bce" else 1.0
    known = BOTH_WAYS != 0
    torch.testing.assert_close(found[known], -0.5 * weight * BOTH_WAYS[known].float())


def test_entropy_keeps_unknown_scores_undecided() -> None:
    # alpha z p (1 - p) at z = 1: alpha 0.2
    p = 1 / (1 + math.exp(-1))
    found = slopes(make("em", SEEN), logit=1.0)
    torch.testing.assert_close(found[SEEN == 0], torch.full((9,), 0.2 * p * (1 - p)))


def test_vlpl_adds_clips_own_positives_to_one_positive_a_picture() -> None:
    # softmax at 0.03 of 0.3, 0.2, 0.0: the first is above 0.3; the last row's third is.
    cosines = torch.tensor([[0.3, 0.2, 0.0]] * 3 + [[0.0, 0.0, 0.3]])
    found = slopes(make("vlpl", SEEN, cosines))
    # observed 1: p - 1; pseudo-positive: beta (p - rho) = 0.7 (0.5 - 0.9); unknown at z = 0: none
    expected = [[-0.5, 0, 0], [-0.28, -0.5, 0], [-0.5, 0, 0], [0, 0, -0.28]]
    torch.testing.assert_close(found, torch.tensor(expected))
    with pytest.raises(CdulEdgeError, match="needs the cosines of the whole pictures"):
        make("vlpl", SEEN)


def test_role_takes_the_number_of_classes_from_the_answers_and_spreads_what_is_left() -> None:
    method = make("role", BOTH_WAYS)
    assert vars(method)["k_bar"] == pytest.approx(1 / 2 + 1 / 3)
    # One class is more than 5/6: nothing is left. The third picture has one unknown entry for 5/6,
    # of which at most a half is believed, and the last three of 5/18.
    least = 0.001
    expected = [[1, 0, least], [0, 1, least], [0.5, 0, 0], [5 / 18] * 3]
    torch.testing.assert_close(method.targets, torch.tensor(expected))
    with pytest.raises(CdulEdgeError, match=r"such as --set k_bar=1\.5"):
        make("role", SEEN)
    given = make("role", SEEN, k_bar=1.4)
    torch.testing.assert_close(given.targets[0], torch.tensor([1, 0.2, 0.2]))


def test_pu_mlc_learns_from_seen_positives_and_forces_none() -> None:
    method = make("pu-mlc", SEEN, forced=2)
    assert torch.equal(vars(method)["positives"], SEEN > 0)


@pytest.mark.parametrize("name", ["plmcl", "g2netpl"])
@pytest.mark.parametrize("observed", [SEEN, BOTH_WAYS], ids=["present", "both"])
def test_an_unknown_label_becomes_what_the_network_says_after_the_warm_up(
    name: MethodName, observed: Tensor
) -> None:
    still: dict[str, Any] = (
        {"eta": 0.0} if name == "plmcl" else {"step": 0.0}
    )  # what revises labels later on
    method = make(name, observed, label_warmup=2, freeze_after=1.0, easy_first=False, **still)
    unknown = observed == 0
    logits = torch.linspace(-2, 2, 12).view(4, 3)
    method.after_epoch(1, Ended(None))
    assert (slopes(method, epoch=2)[unknown] != 0).all() == (observed is SEEN)
    method.after_epoch(2, Ended(logits))
    torch.testing.assert_close(method.targets[unknown], logits.sigmoid()[unknown])
    expected = 0.5 - logits.sigmoid()
    torch.testing.assert_close(slopes(method, epoch=3)[unknown], expected[unknown])
    method.after_epoch(3, Ended(-logits))  # asked once only: the step is 0
    torch.testing.assert_close(method.targets[unknown], logits.sigmoid()[unknown])
    assert torch.equal(method.targets[~unknown], (observed[~unknown] > 0).float())


@pytest.mark.parametrize("name", ["plmcl", "g2netpl"])
def test_a_state_from_before_the_first_question_is_taken_up_again(name: MethodName) -> None:
    one, other = (make(name, BOTH_WAYS, label_warmup=2) for _ in range(2))
    other.load_state_dict(one.state_dict())
    assert torch.equal(other.targets, one.targets)
    assert torch.equal(slopes(other), slopes(one))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cdul", "the method cdul needs pseudo-labels, and with --labels-from observed"),
        ("distill", "the method distill needs pseudo-labels"),
        ("ccd", "the method ccd needs pseudo-labels"),
        ("fixed", "of which 0 of 3 are absences: too few"),
        ("partial-bce", "of which 0 of 3 are absences: too few"),
    ],
)
def test_a_method_without_a_rule_for_such_labels_is_refused(name: MethodName, message: str) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        make(name, SEEN)

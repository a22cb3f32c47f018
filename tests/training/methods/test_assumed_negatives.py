"""`an`, `ls`, `wan`: what they take for absent, what it weighs, what observation changes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cdul_edge.training.config import MethodName, TrainConfig
from cdul_edge.training.methods import AnyMethod, make_method
from cdul_edge.training.methods.label_smoothing import smooth
from cdul_edge.training.methods.weak_negative import entry_weights
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.method_inputs import Ended, asking_epochs, know, take

NAMES = ("an", "ls", "wan")
# Positives: the first two of picture 0; the best class of picture 1, which reaches 0.5 nowhere.
SCORES = torch.tensor([[0.7, 0.5, 0.1], [0.1, 0.4, 0.2]])
POSITIVES = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])


def make(
    name: MethodName, scores: Tensor = SCORES, observed: Tensor | None = None, **set: Any
) -> AnyMethod:
    return make_method(TrainConfig(method=name, method_settings=set), know(scores, observed))


def gradient(method: AnyMethod, logits: Tensor) -> Tensor:
    logits = logits.clone().requires_grad_()
    (found,) = torch.autograd.grad(method.loss(take(logits)), logits)
    return found


def draw(*shape: int, seed: int = 0) -> Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_assume_negative_pulls_each_score_to_its_hard_label() -> None:
    logits = draw(2, 3)
    expected = (torch.sigmoid(logits) - POSITIVES) / 6
    torch.testing.assert_close(gradient(make("an"), logits), expected)
    assert torch.equal(make("an").targets, POSITIVES)


def test_assume_negative_by_hand() -> None:
    # Every logit is 0, so every entry costs log 2, whatever its label.
    assert float(make("an").loss(take(torch.zeros(2, 3)))) == pytest.approx(math.log(2))
    # -log sigmoid(2) = 0.126928 where it is right, 2.126928 where it is wrong: 3 of 6.
    loss = make("an").loss(take(torch.full((2, 3), 2.0)))
    assert float(loss) == pytest.approx((3 * 0.126928 + 3 * 2.126928) / 6, abs=1e-6)


def test_smoothed_labels_are_nine_tenths_and_one_tenth() -> None:
    expected = torch.tensor([[0.9, 0.9, 0.1], [0.1, 0.9, 0.1]])
    torch.testing.assert_close(make("ls").targets, expected)
    torch.testing.assert_close(smooth(POSITIVES, 0.25), POSITIVES * 0.5 + 0.25)


def test_smoothing_rests_where_scores_are_the_smoothed_labels() -> None:
    method = make("ls", flip_mass=0.2)
    at_rest = torch.logit(method.targets)
    torch.testing.assert_close(gradient(method, at_rest), torch.zeros(2, 3), atol=1e-7, rtol=0)


def test_smoothing_of_nothing_is_assume_negative() -> None:
    logits = draw(2, 3)
    plain, smoothed = make("an"), make("ls", flip_mass=0.0)
    assert torch.equal(smoothed.loss(take(logits)), plain.loss(take(logits)))


def test_a_weak_negative_has_its_share_of_the_gradient() -> None:
    scores, logits = torch.sigmoid(draw(6, 5)), draw(6, 5, seed=1)
    plain, weak = gradient(make("an", scores), logits), gradient(make("wan", scores), logits)
    present = make("an", scores).targets > 0
    torch.testing.assert_close(weak[present], plain[present])
    torch.testing.assert_close(weak[~present], plain[~present] / 4)


def test_a_weak_negative_by_hand() -> None:
    # C = 3: w = 1/2. All logits 2: three positives cost 0.126928, three negatives half of 2.126928.
    loss = make("wan").loss(take(torch.full((2, 3), 2.0)))
    assert float(loss) == pytest.approx((3 * 0.126928 + 3 * 2.126928 / 2) / 6, abs=1e-6)


def test_the_rest_of_weak_negatives_is_above_the_share_of_positives() -> None:
    # Of four equal pictures one shows class 0: r = 1/4 and w = 1/2 give p = 0.25 / 0.625 = 0.4.
    scores = torch.tensor([[0.9, 0.9, 0.1]] + 3 * [[0.1, 0.9, 0.1]])
    logits = torch.zeros(4, 3)
    logits[:, 0] = math.log(0.4 / 0.6)
    assert float(gradient(make("wan", scores), logits)[:, 0].sum()) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_observed_labels_are_targets_as_they_are(name: MethodName) -> None:
    observed = torch.tensor([[-1, 0, 1], [0, -1, 0]])
    targets = make(name, observed=observed).targets
    assert targets[observed > 0].tolist() == [1.0]
    assert targets[observed < 0].tolist() == [0.0, 0.0]
    # Picture 1 loses its only positive, and gets no other in its place.
    assert float(targets[1].max()) <= 0.1 + 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_a_known_negative_costs_what_cross_entropy_says(name: MethodName) -> None:
    observed = torch.tensor([[0, -1, 0], [0, 0, 0]])
    logits = draw(2, 3)
    found = gradient(make(name, observed=observed), logits)
    assert float(found[0, 1]) == pytest.approx(float(torch.sigmoid(logits[0, 1])) / 6)


def test_known_negatives_weigh_as_much_as_positives() -> None:
    observed = torch.tensor([[0, 0, -1], [0, 0, 0]], dtype=torch.int8)
    found = entry_weights(POSITIVES > 0, observed)
    assert found.tolist() == [[1.0, 1.0, 1.0], [0.5, 1.0, 0.5]]


@pytest.mark.parametrize("name", NAMES)
def test_everything_observed_is_plain_cross_entropy(name: MethodName) -> None:
    truth = torch.tensor([[1, -1, -1], [-1, -1, 1]])
    logits = draw(2, 3)
    expected = F.binary_cross_entropy_with_logits(logits, (truth > 0).float())
    torch.testing.assert_close(make(name, observed=truth).loss(take(logits)), expected)


@pytest.mark.parametrize("name", NAMES)
def test_no_positive_left_is_one_line(name: MethodName) -> None:
    with pytest.raises(CdulEdgeError, match=f"the method {name} learns from positive labels, and"):
        make(name, observed=torch.full((2, 3), -1))


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_classes_and_pictures_does_not_matter(name: MethodName) -> None:
    scores, logits = torch.sigmoid(draw(6, 4)), draw(6, 4, seed=1)
    rows, columns = torch.tensor([3, 0, 5, 1, 2, 4]), torch.tensor([2, 0, 3, 1])
    plain = make(name, scores).loss(take(logits))
    shuffled = make(name, scores[rows][:, columns]).loss(take(logits[rows][:, columns]))
    torch.testing.assert_close(plain, shuffled)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_takes_its_own_rows(name: MethodName) -> None:
    scores, logits = torch.sigmoid(draw(6, 4)), draw(2, 4, seed=1)
    chosen = torch.tensor([4, 1])
    whole = make(name, scores).loss(take(logits, chosen))
    torch.testing.assert_close(whole, make(name, scores[chosen]).loss(take(logits)))


@pytest.mark.parametrize("name", NAMES)
def test_labels_stay_and_loss_is_finite_for_any_logit(name: MethodName) -> None:
    method = make(name)
    before = method.targets.clone()
    logits = torch.tensor([[200.0, -200.0, 200.0], [-200.0, 0.0, 200.0]])
    assert bool(gradient(method, logits).isfinite().all())
    assert asking_epochs(method, range(1, 11)) == []
    assert method.after_epoch(1, Ended()) == {}
    assert torch.equal(method.targets, before)
    assert method.state_dict() == {}


def test_a_mass_that_would_erase_the_labels_is_refused() -> None:
    with pytest.raises(CdulEdgeError, match=r"flip_mass 0\.5, expected 0 to 0\.49"):
        make("ls", flip_mass=0.5)

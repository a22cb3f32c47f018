"""Mixed pictures, and which methods can take them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NoReturn

import pytest
import torch
import torch.nn.functional as F

from cdul_edge.training.config import METHODS, MethodName, TrainConfig
from cdul_edge.training.methods import find_method, make_method
from cdul_edge.training.methods.mixing import Mixing, draw_mixing
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.method_inputs import know, take

MIXING = [name for name in METHODS if find_method(name).mixes]
LABELS = torch.tensor([[0.9, 0.1], [0.2, 0.6], [0.0, 1.0]])


def test_a_picture_keeps_its_share_and_takes_the_rest_of_its_partner() -> None:
    mixing = Mixing(0.25, torch.tensor([1, 0, 2]))
    mixed = mixing.blend(torch.tensor([[0.0], [4.0], [8.0]]))
    assert mixed.tolist() == [[3.0], [1.0], [8.0]]


def test_the_loss_is_the_cross_entropy_with_mixed_labels() -> None:
    method = make_method(TrainConfig(method="fixed"), know(LABELS))
    logits = torch.tensor([[1.0, -2.0], [0.5, 0.0]])
    step = take(logits, torch.tensor([2, 0]))
    found = Mixing(0.25, torch.tensor([1, 0])).loss(method, step)
    # 1/4 of (0, 1) and 3/4 of (0.9, 0.1); 1/4 of (0.9, 0.1) and 3/4 of (0, 1)
    expected = torch.tensor([[0.675, 0.325], [0.225, 0.775]])
    torch.testing.assert_close(found, F.binary_cross_entropy_with_logits(logits, expected))


def test_a_batch_is_mixed_as_its_seed_says_or_not_at_all() -> None:
    one, same = (draw_mixing(8, 0.4, torch.Generator().manual_seed(3)) for _ in range(2))
    assert one is not None
    assert same is not None
    assert one.share == same.share
    assert torch.equal(one.partners, same.partners)
    assert one.partners.sort().values.tolist() == list(range(8))
    draws = torch.Generator().manual_seed(3)
    before = draws.get_state()
    assert draw_mixing(8, 0.0, draws) is None
    assert torch.equal(draws.get_state(), before)  # a run without mixing draws as it always did


def refuse(*_: object) -> NoReturn:
    raise AssertionError("a method that mixes reads nothing but logits and labels")


@pytest.mark.parametrize("name", MIXING)
def test_a_method_that_mixes_reads_and_remembers_nothing_else(name: MethodName) -> None:
    method = make_method(TrainConfig(method=name, mixup=0.3), know(LABELS))
    state = {key: repr(value) for key, value in vars(method).items()}
    logits = torch.zeros(3, 2, requires_grad=True)
    step = replace(take(logits), network=refuse, another_view=refuse)
    loss = Mixing(0.25, torch.tensor([1, 2, 0])).loss(method, step)
    torch.autograd.grad(loss, logits)
    assert loss.shape == ()
    assert {key: repr(value) for key, value in vars(method).items()} == state


def test_other_methods_refuse_mixed_pictures_and_name_those_that_can() -> None:
    assert {"fixed", "cdul"} <= set(MIXING) < set(METHODS)
    told = "the method role cannot learn from mixed pictures: train it with --mixup 0, or choose "
    with pytest.raises(CdulEdgeError, match=re.escape(told)) as caught:
        make_method(TrainConfig(method="role", mixup=0.3), know(LABELS))
    assert all(name in str(caught.value) for name in MIXING)

"""Depthwise convolutions in bfloat16 find the same gradients on another way."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cdul_edge.training.networks.depthwise import DepthwiseInBfloat16
from cdul_edge.training.optimization import autocast

CPU = torch.device("cpu")


def whole_numbers(*shape: int) -> Tensor:
    """-1, 0 and 1 in turn: bfloat16 holds whole numbers up to 256 as they are."""
    count = torch.arange(int(torch.tensor(shape).prod()))
    return (count * 7 % 5 % 3 - 1).to(torch.float32).reshape(shape)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [(3, 1, 1, 1), (3, 2, 1, 1), (5, 1, 2, 1), (5, 2, 0, 1), (3, 1, 2, 2)],
)
def test_gradients_of_whole_numbers_are_exact(
    kernel: int, stride: int, padding: int, dilation: int, bias: bool
) -> None:
    layer = nn.Conv2d(4, 8, kernel, stride, padding, dilation, groups=4, bias=bias)
    for values in layer.parameters():
        values.data = whole_numbers(*values.shape)
    images = whole_numbers(2, 4, 8, 8).requires_grad_()
    found = []
    for precision in ("fp32", "bf16"):
        with autocast(CPU, precision):
            answer = layer(images)
        above = whole_numbers(*answer.shape)
        inputs = (images, *layer.parameters())
        gradients = torch.autograd.grad(answer, inputs, above.to(answer.dtype))
        assert all(g.dtype is torch.float32 for g in gradients)
        found.append((answer.float(), *gradients))
    assert answer.dtype is torch.bfloat16
    assert "_Depthwise" in type(answer.grad_fn).__name__
    for whole, half in zip(*found, strict=True):
        assert whole.abs().max() <= 256
        assert torch.equal(whole, half)


def test_other_convolutions_are_as_autocast_makes_them() -> None:
    images = torch.randn(2, 4, 6, 6)
    for layer in (
        nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 6, 3, groups=2),
        nn.Conv2d(4, 4, 3, padding="same", groups=4),
    ):
        with torch.autocast("cpu", torch.bfloat16):
            expected = layer(images)
            with DepthwiseInBfloat16():
                assert torch.equal(layer(images), expected)
                assert layer(images[0]).shape == expected[0].shape


def test_nothing_is_learned_where_nothing_is_asked_for() -> None:
    weight = torch.randn(4, 1, 5, 5, requires_grad=True)
    with DepthwiseInBfloat16():
        answer = F.conv2d(torch.randn(1, 4, 8, 8), weight, groups=4)
        assert answer.dtype is torch.bfloat16
        with torch.no_grad():
            assert not F.conv2d(torch.randn(1, 4, 8, 8), weight, groups=4).requires_grad
    answer.float().sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is not None
    assert weight.grad.dtype is torch.float32

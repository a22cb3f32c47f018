"""Depthwise convolutions that learn in bfloat16 on a CPU, where oneDNN has no kernels for it.

In bfloat16 oneDNN finds the gradients of a depthwise convolution with its reference code where the
stride is above 1 (of the input) or the kernel above 3 (of the weights): 7 to 60 times slower than
in float32, and most of an EfficientNet's step. There the values are brought to float32 first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

_KERNEL = 3  # the largest whose weights' gradient oneDNN finds in bfloat16


class DepthwiseInBfloat16(TorchFunctionMode):
    """While this lasts, depthwise convolutions are computed in bfloat16, as autocast would.

    Only their gradients are found another way, and are as exact or more so.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Every function of torch comes by here."""
        return (_convolve if func is F.conv2d else func)(*args, **(kwargs or {}))


def _convolve(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """`F.conv2d`, by the names of its arguments."""
    if groups == 1 or groups != input.shape[-3] or isinstance(padding, str) or input.ndim != 4:
        return F.conv2d(input, weight, bias, stride, padding, dilation, groups)
    half = torch.bfloat16
    answer: Tensor = _Depthwise.apply(
        input.to(half),
        weight.to(half),
        None if bias is None else bias.to(half),
        (_pair(stride), _pair(padding), _pair(dilation)),
    )
    return answer


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, steps: tuple[list[int], ...]
    ) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.steps, ctx.biased = steps, bias is not None
        stride, padding, dilation = steps
        return F.conv2d(images, weight, bias, stride, padding, dilation, images.shape[1])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        _, weight = ctx.saved_tensors
        stride = ctx.steps[0]
        of_images = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            whole = max(stride) > 1
            of_images = _gradients(ctx, above, whole, [True, False, False])[0]
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            whole = max(weight.shape[2:]) > _KERNEL
            _, of_weight, of_bias = _gradients(ctx, above, whole, [False, True, ctx.biased])
        return of_images, of_weight, of_bias, None


def _gradients(ctx: Any, above: Tensor, whole: bool, wanted: list[bool]) -> list[Tensor | None]:
    """Gradients of images, weight and bias, found in float32 where that is `whole`."""
    images, weight = ctx.saved_tensors
    found = torch.ops.aten.convolution_backward(
        *(values.float() if whole else values for values in (above, images, weight)),
        [len(weight)] if ctx.biased else None,
        *ctx.steps,
        False,
        [0, 0],
        images.shape[1],
        wanted,
    )
    return [None if values is None else values.to(images.dtype) for values in found]


def _pair(value: int | Sequence[int]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)

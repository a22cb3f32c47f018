"""The layers of an image tower as a CPU multiplies them fastest: the same numbers to rounding.

PyTorch gives products of float32 to MKL, which runs AVX2 code on processors that are not Intel's,
and convolutions of one pixel as well where one thread works. oneDNN takes half the time there with
AVX-512, and no more without; on Intel's they stay with MKL. In bfloat16, autocast alone would round
every weight at every call, and copy those of an attention for every view: here they are rounded
once.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any, Literal

import torch
from open_clip.modified_resnet import AttentionPool2d
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention

from cdul_edge_runtime.host.machine import cpu_has, cpu_maker

# How a tower multiplies: in float32; in bfloat16, within autocast; or in float32 of what is rounded
# to bfloat16, on a processor without instructions for it.
Arithmetic = Literal["fp32", "bf16", "rounded"]

# Makers of x86-64 processors other than Intel, as /proc/cpuinfo names them.
_SLOWED_BY_MKL = ("AuthenticAMD", "HygonGenuine")

# As ONEDNN_MAX_CPU_ISA names what oneDNN shall do without.
_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI")


def multiplies_bf16() -> bool:
    """Whether this processor has instructions for bfloat16, and PyTorch uses them."""
    held_back = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _WITHOUT_BF16
    has = cpu_has("avx512_bf16") or cpu_has("amx_bf16") or cpu_has("bf16")
    return has and not held_back and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def choose_arithmetic(precision: str) -> Arithmetic:
    """How a tower multiplies on this processor, for "fp32" or "bf16"."""
    if precision == "fp32":
        return "fp32"
    return "bf16" if multiplies_bf16() else "rounded"


def replace_layers(tower: nn.Module, arithmetic: Arithmetic) -> None:
    """Have a tower in evaluation mode multiply in `arithmetic`; it is changed in place.

    Linear layers, convolutions, plain attention and CLIP's pooling by attention are replaced,
    wherever they are; what else there is stays as it is.

    Raises:
        ValueError: an encoder has the tower already.
    """
    if any(isinstance(layer, (Product, StemConvolution)) for layer in tower.modules()):
        raise ValueError("an encoder has this CLIP already: give it one `with_own_tower`")
    for parent in list(tower.modules()):
        for name, layer in list(parent.named_children()):
            first = parent is tower or getattr(layer, "in_channels", None) == 3
            if first and arithmetic != "fp32" and isinstance(layer, nn.Conv2d):
                setattr(parent, name, StemConvolution(layer))
            else:
                setattr(parent, name, _replace(layer, arithmetic))


def project_heads(attention: Any, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value, (B, heads, L, W / heads) each, of tokens (B, L, W)."""
    if isinstance(attention, Attention):
        projected = attention.in_proj(tokens)
    else:
        projected = linear(tokens, attention.in_proj_weight, attention.in_proj_bias)
    batch, length, _ = tokens.shape
    heads = projected.view(batch, length, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    query, key, value = heads.unbind(0)
    return query, key, value


class Product(nn.Module):
    """What `nn.Linear` computes.

    Args:
        weight: (O, I).
        bias: (O,), or None.
        arithmetic: how it multiplies.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, arithmetic: Arithmetic) -> None:
        super().__init__()
        self.weight = _fixed(_prepare(weight, arithmetic))
        self.bias = None if bias is None else _fixed(_prepare(bias, arithmetic))
        self._rounded = arithmetic == "rounded"
        self._by_onednn = arithmetic != "bf16" and _reaches_onednn()

    def forward(self, values: Tensor) -> Tensor:
        """(..., O) of (..., I)."""
        if self._rounded:
            values = _round(values)
        if self._by_onednn:
            found: Tensor = torch.ops.mkldnn._linear_pointwise(
                values.to(self.weight.dtype), self.weight, self.bias, "none", [], ""
            )
        else:
            found = linear(values, self.weight, self.bias)
        return _round(found) if self._rounded else found


class PixelProduct(nn.Module):
    """What a convolution of one pixel computes: a product, as `channels_last` holds the pixels."""

    def __init__(self, convolution: nn.Conv2d, arithmetic: Arithmetic) -> None:
        super().__init__()
        self.product = Product(convolution.weight.flatten(1), convolution.bias, arithmetic)
        self._rows, self._columns = convolution.stride

    def forward(self, images: Tensor) -> Tensor:
        """(B, O, H', W') of (B, I, H, W)."""
        pixels = images.permute(0, 2, 3, 1)[:, :: self._rows, :: self._columns]
        found: Tensor = self.product(pixels)
        return found.permute(0, 3, 1, 2)


class StemConvolution(nn.Module):
    """A convolution in float32: of the first ones' rounding the most reaches the embedding."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, images: Tensor) -> Tensor:
        """As the convolution's."""
        with torch.autocast("cpu", enabled=False):
            found: Tensor = self.convolution(images.float())
        return found


class RoundedConvolution(nn.Module):
    """A convolution of values that are rounded to bfloat16, in float32."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution
        for name, values in list(convolution.named_parameters()):
            setattr(convolution, name, _fixed(_round(values)))

    def forward(self, images: Tensor) -> Tensor:
        """As the convolution's."""
        return _round(self.convolution(_round(images)))


class Attention(nn.Module):
    """What `nn.MultiheadAttention` computes of tokens (B, L, W) that attend to each other."""

    def __init__(self, plain: nn.MultiheadAttention, arithmetic: Arithmetic) -> None:
        super().__init__()
        self.num_heads = plain.num_heads
        self.in_proj = Product(plain.in_proj_weight, plain.in_proj_bias, arithmetic)
        self.out_proj = Product(plain.out_proj.weight, plain.out_proj.bias, arithmetic)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
    ) -> tuple[Tensor, None]:
        """Tokens (B, L, W) of one and the same `query`, `key` and `value`, and no weights."""
        assert query is key is value
        assert not need_weights
        heads = project_heads(self, query)
        gathered = scaled_dot_product_attention(*heads, attn_mask=attn_mask)
        return self.out_proj(gathered.transpose(1, 2).flatten(2)), None


class AttentionPool(nn.Module):
    """What CLIP's `AttentionPool2d` gives, in float32: the mean's attention to itself and pixels.

    One query needs no keys and no values of its own: q (K x) = (q K) x for each head, and values
    are projected once they are weighted. The keys' bias is the same for all that is attended to.
    """

    def __init__(self, plain: AttentionPool2d) -> None:
        super().__init__()
        heads = (plain.num_heads, -1, plain.k_proj.in_features)
        self.positions = _fixed(plain.positional_embedding)
        self.query = Product(plain.q_proj.weight, plain.q_proj.bias, "fp32")
        self.keys = _fixed(plain.k_proj.weight.view(heads))
        self.values = _fixed(plain.v_proj.weight.view(heads))
        self.values_bias = _fixed(plain.v_proj.bias)
        self.out = Product(plain.c_proj.weight, plain.c_proj.bias, "fp32")

    def forward(self, images: Tensor) -> Tensor:
        """(B, D) of (B, W, H, H)."""
        with torch.autocast("cpu", enabled=False):
            pixels = images.float().flatten(2).transpose(1, 2)
            tokens = torch.cat([pixels.mean(dim=1, keepdim=True), pixels], dim=1) + self.positions
            heads, width, _ = self.keys.shape
            query = self.query(tokens[:, 0]).unflatten(1, (heads, width)).transpose(0, 1)
            asked = torch.bmm(query, self.keys).transpose(0, 1)
            weights = (torch.bmm(asked, tokens.transpose(1, 2)) / width**0.5).softmax(dim=-1)
            gathered = torch.bmm(weights, tokens).transpose(0, 1)
            values = torch.bmm(gathered, self.values.transpose(1, 2)).transpose(0, 1).flatten(1)
            found: Tensor = self.out(values + self.values_bias)
        return found


def _replace(layer: nn.Module, arithmetic: Arithmetic) -> nn.Module:
    """What stands in for a layer; the layer itself where there is nothing faster."""
    if isinstance(layer, AttentionPool2d):
        return AttentionPool(layer)
    if type(layer) is nn.MultiheadAttention and _is_plain(layer):
        return Attention(layer, arithmetic)
    if type(layer) is nn.Linear:
        return Product(layer.weight, layer.bias, arithmetic)
    if isinstance(layer, nn.Conv2d):
        if type(layer) is nn.Conv2d and _is_of_one_pixel(layer):
            return PixelProduct(layer, arithmetic)
        if arithmetic == "rounded":
            return RoundedConvolution(layer)
        return layer.to(torch.bfloat16) if arithmetic == "bf16" else layer
    return layer


def _is_plain(attention: nn.MultiheadAttention) -> bool:
    same = attention.in_proj_weight is not None and attention.kdim == attention.vdim
    more = attention.bias_k is not None or attention.bias_v is not None or attention.add_zero_attn
    return attention.batch_first and same and not more


def _is_of_one_pixel(convolution: nn.Conv2d) -> bool:
    whole = convolution.groups == 1 and convolution.padding in ((0, 0), "valid")
    return whole and convolution.kernel_size == (1, 1)


@cache
def _reaches_onednn() -> bool:
    """Whether this PyTorch has oneDNN's product, on a processor on which it was measured.

    The product is PyTorch's own affair, for its compiler: another version may call it otherwise.
    """
    if cpu_maker() not in _SLOWED_BY_MKL:
        return False
    ones = torch.ones(1, 1)
    try:
        found = torch.ops.mkldnn._linear_pointwise(ones, ones, None, "none", [], "")
    except (AttributeError, RuntimeError, NotImplementedError):  # torch's for "no such operator"
        return False
    return bool(found == 1)


def _prepare(values: Tensor, arithmetic: Arithmetic) -> Tensor:
    if arithmetic == "bf16":
        return values.to(torch.bfloat16)
    return _round(values) if arithmetic == "rounded" else values


def _round(values: Tensor) -> Tensor:
    return values.to(torch.bfloat16).float()


def _fixed(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach(), requires_grad=False)

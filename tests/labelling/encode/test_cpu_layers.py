"""Layers that are replaced on a CPU compute what open_clip's and timm's did."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cosine_similarity

from cdul_edge.clip.models import load_clip
from cdul_edge.demo.pictures import paint_scene
from cdul_edge.demo.world import CLASS_NAMES
from cdul_edge.labelling.decode.views import Views, cut_views
from cdul_edge.labelling.encode import cpu_layers
from cdul_edge.labelling.encode.cpu_layers import (
    Arithmetic,
    StemConvolution,
    choose_arithmetic,
    replace_layers,
)
from cdul_edge.labelling.encode.encoder import ClipEncoder
from cdul_edge.labelling.encode.prompts import Prompts
from cdul_edge_runtime.bundle.classes import ClassList

TEXT = {"context_length": 8, "vocab_size": 64, "width": 8, "heads": 1, "layers": 1}
PLAIN: dict[str, object] = {
    "image_size": 32,
    "layers": 2,
    "width": 64,
    "head_width": 16,
    "patch_size": 8,
}
TOWERS: dict[str, dict[str, object]] = {
    "resnet": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
    "vit": PLAIN,
    "average": {**PLAIN, "pool_type": "avg", "final_ln_after_pool": True, "no_ln_pre": True},
    "coca": {**PLAIN, "attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True},
    "cosine": {**PLAIN, "block_type": "custom", "qk_norm": True},
    "siglip": {"image_size": 160, "timm_model_name": "test_vit3", "timm_pool": "map"},
    "timm-vit": {"image_size": 32, "timm_model_name": "test_vit", "timm_pool": "token"},
    "convnext": {"image_size": 32, "timm_model_name": "test_convnext", "timm_pool": "avg"},
}


def build(vision: dict[str, object]) -> Any:
    """A tower whose every parameter is shaken, so that leaving one out would show."""
    torch.manual_seed(0)
    tower: Any = open_clip.CLIP(16, vision, TEXT).visual
    with torch.no_grad():
        for parameter in tower.parameters():
            parameter.add_(torch.randn(parameter.shape), alpha=0.05)
    return tower.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def embed(tower: Any, arithmetic: Arithmetic) -> torch.Tensor:
    side = int(np.max(tower.image_size))
    images = torch.randn(6, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode(), torch.autocast("cpu", enabled=arithmetic == "bf16"):
        found = tower(images)
    first: torch.Tensor = found[0] if isinstance(found, tuple) else found
    return first.float()


@pytest.mark.parametrize("name", TOWERS)
def test_a_tower_keeps_its_numbers(name: str) -> None:
    plain = build(TOWERS[name])
    expected = embed(plain, "fp32")
    closest: dict[Arithmetic, float] = {"fp32": 1 - 1e-6, "bf16": 0.999, "rounded": 0.999}
    for arithmetic, least in closest.items():
        replaced = copy.deepcopy(plain)
        replace_layers(replaced, arithmetic)
        assert not any(type(layer) is nn.Linear for layer in replaced.modules())
        stem = [layer for layer in replaced.modules() if isinstance(layer, StemConvolution)]
        assert len(stem) == (0 if arithmetic == "fp32" else 3 if name == "resnet" else 1)
        assert all(layer.convolution.weight.dtype == torch.float32 for layer in stem)
        found = embed(replaced, arithmetic)
        assert cosine_similarity(found, expected).min() > least, arithmetic
        if arithmetic == "fp32":
            assert torch.allclose(found, expected, atol=2e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("name", ["resnet", "vit"])
def test_products_of_mkl_are_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for by_onednn in (True, False):
        monkeypatch.setattr(cpu_layers, "_reaches_onednn", lambda one=by_onednn: one)
        tower = build(TOWERS[name])
        replace_layers(tower, "fp32")
        found.append(embed(tower, "fp32"))
    one, other = found
    assert torch.allclose(one, other, atol=2e-5 * float(one.abs().max()))


def refuse_arguments(*_: object) -> None:
    raise RuntimeError("mkldnn::_linear_pointwise() expected at most 5 argument(s)")  # torch's


@pytest.mark.parametrize(
    ("maker", "operator", "reached"),
    [
        ("AuthenticAMD", lambda values, *_: values, True),
        ("GenuineIntel", lambda values, *_: values, False),
        (None, lambda values, *_: values, False),  # no x86 processor
        ("AuthenticAMD", None, False),  # a build without oneDNN
        ("AuthenticAMD", refuse_arguments, False),  # another version's
    ],
)
def test_onednn_multiplies_where_it_was_measured_and_answers(
    maker: str | None, operator: Any, reached: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_layers, "cpu_maker", lambda: maker)
    operators = (
        SimpleNamespace() if operator is None else SimpleNamespace(_linear_pointwise=operator)
    )
    monkeypatch.setattr(torch.ops, "mkldnn", operators)
    assert cpu_layers._reaches_onednn.__wrapped__() is reached


def test_a_clip_has_one_encoder() -> None:
    loaded = load_clip("demo")
    other = loaded.with_own_tower()
    first = ClipEncoder(loaded, "cpu")
    pixels = np.full((1, 1, loaded.image_size_px, loaded.image_size_px, 3), 9, np.uint8)
    before = first.embed_views(pixels)
    ClipEncoder(other, "cpu", "bf16")
    assert np.array_equal(first.embed_views(pixels), before)
    with pytest.raises(ValueError, match="with_own_tower"):
        ClipEncoder(loaded, "cpu", "bf16")


def test_one_pixel_convolutions_keep_their_strides_and_others_their_kernels() -> None:
    images = torch.randn(2, 6, 9, 7, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(6, 8, 1, stride=(2, 3), bias=False), nn.Conv2d(8, 4, 1, padding=1, groups=2)
    ).requires_grad_(False)
    expected = network(images)
    replace_layers(network, "fp32")
    assert [type(layer).__name__ for layer in network] == ["PixelProduct", "Conv2d"]
    assert torch.allclose(network(images), expected, atol=1e-6)


@pytest.fixture(scope="module")
def drawn_views() -> np.typing.NDArray[np.uint8]:
    """400 views of 40 drawn pictures, as the demo's CLIP sees them."""
    preprocess = ClipEncoder(load_clip("demo"), "cpu").preprocess("squash")
    side = preprocess.height_px
    out = np.empty((40, 10, side, side, 3), np.uint8)
    for seed, views in enumerate(out):
        cut_views(Image.fromarray(paint_scene(seed).image), Views(), preprocess, views)
    return out


@pytest.mark.parametrize("bf16_instructions", [True, False])
def test_bf16_names_the_classes_that_fp32_names(
    bf16_instructions: bool,
    drawn_views: np.typing.NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cpu_layers, "multiplies_bf16", lambda: bf16_instructions)
    exact, rough = (ClipEncoder(load_clip("demo"), "cpu", name) for name in ("fp32", "bf16"))
    texts = exact.embed_texts(
        Prompts(ClassList(CLASS_NAMES), tuple((name,) for name in CLASS_NAMES), ("a {}",))
    )
    expected = (exact.embed_views(drawn_views) @ texts.T).argmax(axis=-1)
    found = (rough.embed_views(drawn_views) @ texts.T).argmax(axis=-1)
    assert len(np.unique(expected)) == len(CLASS_NAMES)
    assert (found == expected).mean() >= 0.995


def test_without_instructions_bf16_is_float32_of_rounded_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cpu_layers, "cpu_has", lambda name: False)
    assert choose_arithmetic("bf16") == "rounded"
    monkeypatch.setattr(cpu_layers, "cpu_has", lambda name: name == "avx512_bf16")
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    assert choose_arithmetic("bf16") == "bf16"
    assert choose_arithmetic("fp32") == "fp32"
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "avx2")
    assert choose_arithmetic("bf16") == "rounded"
    linear = nn.Linear(1, 1).requires_grad_(False)
    linear.weight.fill_(1 + 2**-9)  # bfloat16 keeps eight bits: 1
    linear.bias.fill_(0.25)
    layer = nn.Sequential(linear)
    replace_layers(layer, "rounded")
    assert layer(torch.tensor([[3 + 2**-9]])).item() == 3.25

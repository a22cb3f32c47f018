"""Patch tokens: the whole picture as open_clip has it, the patches as the papers write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from cdul_edge.clip.models import LoadedClip, load_clip
from cdul_edge.labelling.encode import cpu_layers, dense_tokens
from cdul_edge.labelling.encode.dense_tokens import embed_tokens, require_plain_vit
from cdul_edge.labelling.encode.encoder import ClipEncoder
from cdul_edge.labelling.encode.patch_encoder import PatchEncoder
from cdul_edge.labelling.plan import TOKENS
from cdul_edge_runtime.errors import CdulEdgeError

IMAGES = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def vit(tiny_vit: Path) -> LoadedClip:
    """With every bias and norm shaken, so that leaving one out would show."""
    loaded = load_clip(str(tiny_vit), "none")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    return loaded


def last_block_by_hand(visual: Any, images: torch.Tensor, keep_block: bool) -> torch.Tensor:
    """Head by head, picture by picture, from SCLIP's and ClearCLIP's equations."""
    tokens = visual._embeds(images)
    *before, block = visual.transformer.resblocks
    for earlier in before:
        tokens = earlier(tokens)
    attention = block.attn
    size = attention.head_dim
    rows = []
    for picture in tokens:
        normed = block.ln_1(picture)
        parts = (normed @ attention.in_proj_weight.T + attention.in_proj_bias).split(64, dim=1)
        heads = []
        for head in range(attention.num_heads):
            q, k, v = (part[:, head * size : (head + 1) * size] for part in parts)
            weights = (q @ q.T / size**0.5).softmax(1) + (k @ k.T / size**0.5).softmax(1)
            heads.append((weights if keep_block else weights / 2) @ v)
        out = torch.cat(heads, dim=1) @ attention.out_proj.weight.T + attention.out_proj.bias
        if keep_block:
            out = picture + out
            out = out + block.mlp(block.ln_2(out))
        rows.append(visual.ln_post(out)[1:] @ visual.proj)
    return torch.stack(rows)


@pytest.mark.parametrize("tail", ["attention", "block"])
def test_the_whole_picture_is_encode_image_and_the_patches_are_the_equations(
    vit: LoadedClip, tail: Any
) -> None:
    model: Any = vit.model
    with torch.no_grad():
        found = embed_tokens(model.visual, IMAGES, tail)
        assert found.shape == (3, 17, 16)
        assert torch.allclose(found[:, 0], model.encode_image(IMAGES), atol=1e-5)
        patches = last_block_by_hand(model.visual, IMAGES, keep_block=tail == "block")
    assert torch.allclose(found[:, 1:], patches, atol=1e-4)


def test_by_default_neither_residual_nor_mlp_reaches_a_patch(vit: LoadedClip) -> None:
    model: Any = vit.model
    assert dense_tokens.TAIL == "attention"
    assert TOKENS.endswith("no residual, no MLP")  # what a store remembers of it
    with torch.no_grad():
        default = embed_tokens(model.visual, IMAGES)
        for parameter in model.visual.transformer.resblocks[-1].mlp.parameters():
            parameter.zero_()
        without = embed_tokens(model.visual, IMAGES)
    assert torch.equal(default[:, 1:], without[:, 1:])
    assert not torch.allclose(default[:, 0], without[:, 0], atol=1e-3)


def test_every_layer_runs_once(vit: LoadedClip) -> None:
    model: Any = vit.model
    ran: list[str] = []
    visual = model.visual
    for name, module in [("conv1", visual.conv1), *visual.transformer.resblocks.named_children()]:
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    with torch.no_grad():
        embed_tokens(visual, IMAGES)
    assert ran == ["conv1", "0", "1", "2"]


def test_patches_move_with_their_content_where_places_are_not_told_apart(vit: LoadedClip) -> None:
    model: Any = vit.model
    model.visual.positional_embedding.zero_()
    rolled = torch.roll(IMAGES, 8, dims=3)  # one patch to the right
    with torch.no_grad():
        before = embed_tokens(model.visual, IMAGES)[:, 1:].reshape(3, 4, 4, 16)
        after = embed_tokens(model.visual, rolled)[:, 1:].reshape(3, 4, 4, 16)
    assert torch.allclose(torch.roll(before, 1, dims=2), after, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("RN50", r"a vision tower of another kind \(ModifiedResNet\)"),
        ("coca_ViT-B-32", "pools its tokens by attention"),
        ("ViT-L-14-CLIPA", "does not take its embedding from the class token"),
    ],
)
def test_other_towers_are_refused_in_one_line(name: str, fault: str) -> None:
    config = dict(open_clip.get_model_config(name)["vision_cfg"])
    config |= {"layers": [1, 1, 1, 1], "width": 8} if name == "RN50" else {"layers": 2, "width": 64}
    visual = open_clip.model._build_vision_tower(16, config)
    with pytest.raises(CdulEdgeError, match=rf"{name} .*{fault}: give another --clip") as caught:
        require_plain_vit(visual, name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "fault"),
    [({"layers": 1}, "single block"), ({"scale_heads": True}, "attention of their own")],
)
def test_blocks_that_the_equations_do_not_fit_are_refused(
    change: dict[str, Any], fault: str
) -> None:
    config = {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, **change}
    with pytest.raises(CdulEdgeError, match=fault):
        require_plain_vit(open_clip.model._build_vision_tower(16, config), "x")


def test_the_encoder_gives_unit_vectors_of_the_picture_and_its_patches(tiny_vit: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 1, 32, 32, 3), dtype=np.uint8)
    encoder = PatchEncoder(load_clip(str(tiny_vit), "none"), "cpu")
    found = encoder.embed_views(pixels)
    assert found.shape == (5, 17, 16)
    assert found.dtype == np.float16
    assert np.linalg.norm(found.astype(float), axis=-1) == pytest.approx(1, abs=1e-3)
    whole = ClipEncoder(load_clip(str(tiny_vit), "none"), "cpu").embed_views(pixels)
    assert found[:, 0] == pytest.approx(whole[:, 0], abs=5e-4)
    assert found[:2] == pytest.approx(encoder.embed_views(pixels[:2]), abs=1e-3)
    assert encoder.embed_views(pixels[:0]).shape[:2] == (0, 17)


def test_the_encoder_refuses_a_resnet_by_name(clip: Any) -> None:
    with pytest.raises(CdulEdgeError, match=r"plain CLIP ViT such as ViT-B-16, but .*tiny-clip"):
        PatchEncoder(clip(), "cpu")


@pytest.mark.parametrize("instructions", [True, False])
def test_patches_in_bfloat16_stay_near_single_precision(
    tiny_vit: Path, instructions: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_layers, "multiplies_bf16", lambda: instructions)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 1, 32, 32, 3), dtype=np.uint8)
    exact, rough = (
        PatchEncoder(load_clip(str(tiny_vit), "none"), "cpu", name).embed_views(pixels)
        for name in ("fp32", "bf16")
    )
    assert exact.shape == rough.shape == (5, 17, 16)
    assert (exact.astype(np.float32) * rough.astype(np.float32)).sum(axis=-1).min() > 0.999

"""Patch tokens that say what is where: a ViT CLIP's last block, attended by likeness.

A CLIP's last block gathers what its class token needs, from anywhere, so its patch tokens no longer
speak of their own place. SCLIP (arXiv 2312.01597, section 3.2) lets each patch attend to what is
like it instead: softmax(q q') + softmax(k k') in place of softmax(q k'), with the block's own
weights. Everything here runs through open_clip's own modules.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch.nn.functional import scaled_dot_product_attention

from cdul_edge.labelling.encode.cpu_layers import project_heads
from cdul_edge_runtime.errors import CdulEdgeError

# "attention": the patch is what its attention gathers and nothing else; the block's residual and
# its MLP are left out, as ClearCLIP (arXiv 2407.12442) does, which finds in the residual most of
# the noise of CLIP's patches; ITACLIP and SC-CLIP leave the MLP out as well.
# "block": residual and MLP stay and the two softmaxes are summed, which is SCLIP to the letter.
Tail = Literal["attention", "block"]
TAIL: Tail = "attention"


def require_plain_vit(visual: object, name: str) -> VisionTransformer:
    """The vision tower if it is a CLIP ViT as published.

    Raises:
        CdulEdgeError: a ResNet, a timm tower, another pooling than the class token's, or blocks
            with attention of their own.
    """
    fault = _fault(visual)
    if fault is not None:
        raise CdulEdgeError(
            f"--strategy patches reads the patch tokens of a plain CLIP ViT such as ViT-B-16, but "
            f"{name} {fault}: give another --clip, or another --strategy"
        )
    assert isinstance(visual, VisionTransformer)
    return visual


def embed_tokens(visual: Any, images: torch.Tensor, tail: Tail = TAIL) -> torch.Tensor:
    """Embeddings of the whole picture and of its patches, in one pass through the trunk.

    Args:
        visual: a tower that `require_plain_vit` accepts.
        images: (B, 3, H, W), normalized.
        tail: what of the last block patches go through.

    Returns:
        (B, 1 + P, D): row 0 is `visual(images)`, the others are the patches row by row; not of
        unit length.
    """
    blocks = visual.transformer.resblocks
    found = visual.forward_intermediates(
        images, indices=[len(blocks) - 2], output_fmt="NLC", output_extra_tokens=True
    )
    (patches,), (prefix,) = found["image_intermediates"], found["image_intermediates_prefix"]
    # the class token is a key among the others, as in SCLIP; as a query it is not needed
    dense = _last_block(blocks[-1], torch.cat([prefix, patches], dim=1), tail)[:, 1:]
    embedded = visual.ln_post(dense) @ visual.proj
    return torch.cat([found["image_features"][:, None].to(embedded.dtype), embedded], dim=1)


def _last_block(block: Any, tokens: torch.Tensor, tail: Tail) -> torch.Tensor:
    attended = _attend_to_likeness(block.attn, block.ln_1(tokens))
    if tail == "attention":
        mean: torch.Tensor = block.attn.out_proj(attended / 2)  # weights of sum 1: fits its bias
        return mean
    tokens = tokens + block.ls_1(block.attn.out_proj(attended))
    whole: torch.Tensor = tokens + block.ls_2(block.mlp(block.ln_2(tokens)))
    return whole


def _attend_to_likeness(attention: Any, tokens: torch.Tensor) -> torch.Tensor:
    """(softmax(q q' / sqrt d) + softmax(k k' / sqrt d)) v of (B, L, W), before `out_proj`."""
    query, key, value = project_heads(attention, tokens)
    gathered = scaled_dot_product_attention(query, query, value)
    gathered = gathered + scaled_dot_product_attention(key, key, value)
    return gathered.transpose(1, 2).flatten(2)


def _fault(visual: object) -> str | None:
    """What is not plain about a tower, to stand after the model's name."""
    if not isinstance(visual, VisionTransformer):
        return f"has a vision tower of another kind ({type(visual).__name__})"
    if visual.attn_pool is not None:
        return "pools its tokens by attention"
    if visual.pool_type != "tok" or visual.final_ln_after_pool:
        return "does not take its embedding from the class token"
    blocks = visual.transformer.resblocks
    if len(blocks) < 2:
        return "has a single block"
    if not all(type(block) is ResidualAttentionBlock for block in blocks):
        return "has blocks with attention of their own"
    return None

"""The encoder says what open_clip says, whatever the batches and threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from cdul_edge.clip.models import LoadedClip
from cdul_edge.labelling.decode.decoding import Decoded
from cdul_edge.labelling.encode.encoder import ClipEncoder
from cdul_edge.labelling.encode.fold_batch_norm import fold_batch_norm
from cdul_edge.labelling.encode.prompts import Prompts
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole

MakeClip = Callable[[], LoadedClip]
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32, 3), dtype=np.uint8)


def test_views_are_embedded_as_open_clip_does_from_its_own_preprocessing(clip: MakeClip) -> None:
    loaded = clip()
    model: Any = loaded.model
    transform = open_clip.image_transform(32, is_train=False, mean=loaded.mean, std=loaded.std)
    images = torch.stack([transform(Image.fromarray(view)) for view in PIXELS[0]])
    with torch.no_grad():
        expected = model.encode_image(images, normalize=True)
    found = ClipEncoder(clip(), "cpu").embed_views(PIXELS)
    assert found.shape == (5, 3, 16)
    assert found.dtype == np.float32
    assert found[0] == pytest.approx(expected.numpy(), abs=1e-5)
    assert np.linalg.norm(found, axis=-1) == pytest.approx(1, abs=1e-6)


def test_texts_are_averaged_over_prompts_and_templates_and_renormalized(clip: MakeClip) -> None:
    loaded = clip()
    model: Any = loaded.model
    prompts = Prompts(ClassList(("cat", "dog")), (("cat", "kitten"), ("dog",)), ("a {}", "{}s"))
    with torch.no_grad():
        tokens = loaded.tokenize(["a cat", "cats", "a kitten", "kittens"])
        mean = model.encode_text(tokens, normalize=True).mean(dim=0)
    found = ClipEncoder(clip(), "cpu").embed_texts(prompts)
    assert found.shape == (2, 16)
    assert found[0] == pytest.approx((mean / mean.norm()).numpy(), abs=1e-5)


def test_folding_keeps_the_numbers_and_leaves_no_batch_norm(clip: MakeClip) -> None:
    plain: Any = clip().model.visual
    folded: Any = clip().model.visual
    for network in (plain, folded):  # running statistics that would matter
        generator = torch.Generator().manual_seed(0)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.copy_(torch.randn(module.num_features, generator=generator))
                module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
    fold_batch_norm(folded)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.allclose(folded(images), plain(images), atol=1e-5)


def test_a_stream_gives_each_batch_its_own_vectors_in_order(clip: MakeClip) -> None:
    encoder = ClipEncoder(clip(), "cpu", threads=3)
    batches = [Decoded(0, (StoredPicture(str(i)),), PIXELS[i : i + 1], slot=i) for i in range(5)]
    before = torch.get_num_threads()
    streamed = [(batch.slot, vectors) for batch, vectors in encoder.stream(iter(batches))]
    assert [slot for slot, _ in streamed] == [0, 1, 2, 3, 4]
    for slot, vectors in streamed:
        assert vectors == pytest.approx(encoder.embed_views(PIXELS[slot : slot + 1]), abs=1e-6)
    assert torch.get_num_threads() == before


def test_a_batch_of_unreadable_pictures_is_empty(clip: MakeClip) -> None:
    assert ClipEncoder(clip(), "cpu").embed_views(PIXELS[:0]).shape[:2] == (0, 3)


def test_broken_weights_are_an_error_and_not_scores(clip: MakeClip) -> None:
    encoder = ClipEncoder(clip(), "cpu")
    visual: Any = encoder._model.visual
    with torch.no_grad():
        visual.conv1.weight.fill_(float("nan"))
    with pytest.raises(CdulEdgeError, match="NaN or infinity"):
        encoder.embed_views(PIXELS)


def test_what_the_device_cannot_do_is_refused(clip: MakeClip) -> None:
    with pytest.raises(CdulEdgeError, match="fp16 is for CUDA"):
        ClipEncoder(clip(), "cpu", "fp16")
    if not torch.cuda.is_available():
        with pytest.raises(CdulEdgeError, match="no CUDA device"):
            ClipEncoder(clip(), "cuda")


def test_bfloat16_stays_near_single_precision(clip: MakeClip) -> None:
    exact = ClipEncoder(clip(), "cpu").embed_views(PIXELS)
    rough = ClipEncoder(clip(), "cpu", "bf16").embed_views(PIXELS)
    assert (exact * rough).sum(axis=-1).min() > 0.99


class Recorder(SilentConsole):
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.warned: list[str] = []

    def warn(self, line: str) -> None:
        self.warned.append(line)


def test_a_sentence_beyond_clips_context_is_named_and_one_that_fits_is_not(clip: MakeClip) -> None:
    # the tiny CLIP reads 20 tokens: beginning, 18 words, end
    fits, longer = "cat " * 17 + "dog", "cat " * 18 + "dog"
    console = Recorder()
    prompts = Prompts(ClassList(("fits", "longer")), ((fits,), (longer,)), ("{}",))
    ClipEncoder(clip(), "cpu").embed_texts(prompts, console)
    (line,) = console.warned
    assert line.startswith("CLIP reads 20 tokens, and does not see the end of 'cat cat")
    assert "and 1 more" not in line


def test_classes_that_differ_only_beyond_clips_context_are_refused(clip: MakeClip) -> None:
    same = "cat " * 18
    prompts = Prompts(ClassList(("a", "b", "c")), ((same + "x",), ("dog",), (same + "y",)), ("{}",))
    with pytest.raises(CdulEdgeError, match="'a' and 'c' have prompts of the same tokens"):
        ClipEncoder(clip(), "cpu").embed_texts(prompts)


def test_classes_whose_embeddings_are_equal_to_the_bit_are_refused(clip: MakeClip) -> None:
    encoder = ClipEncoder(clip(), "cpu")
    with torch.no_grad():
        encoder._model.token_embedding.weight.fill_(0.1)  # a text tower that reads no word
    prompts = Prompts(ClassList(("cat", "dog")), (("cat",), ("dog",)), ("{}",))
    with pytest.raises(CdulEdgeError, match="'cat' and 'dog' have text embeddings"):
        encoder.embed_texts(prompts)

"""The bundled CLIP: small, an ordinary open_clip model, and right about single things."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image

from cdul_edge import demo
from cdul_edge.demo import pictures as pictures_module
from cdul_edge.demo.clip_pictures import paint_clip_pictures
from cdul_edge.demo.clip_settings import Settings
from cdul_edge.demo.pictures import NO_CLASS
from cdul_edge.demo.train_clip import (
    CONFIG_FILE,
    LOG_FILE,
    PROMPT,
    VOCABULARY_FILE,
    WEIGHTS_FILE,
    train_clip,
)
from cdul_edge.demo.vocabulary import cut_vocabulary, words
from cdul_edge.demo.world import CLASS_NAMES, paint_single, picture_seed
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures import resizer
from cdul_edge_runtime.pictures.preprocess import Preprocess

BUNDLED = Path(demo.__file__).parent / "clip"


def load(folder: Path) -> tuple[Any, Any, Any]:
    """Model, preprocessing and tokenizer, by open_clip's own means alone."""
    name = f"local-dir:{folder}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    tokenizer = open_clip.get_tokenizer(name, bpe_path=str(folder / VOCABULARY_FILE))
    return model.eval(), preprocess, tokenizer


@pytest.fixture(scope="module")
def bundled() -> tuple[Any, Any, Any]:
    return load(BUNDLED)


def test_the_checkpoint_is_at_most_four_megabytes() -> None:
    assert (BUNDLED / WEIGHTS_FILE).stat().st_size <= 4_000_000


@torch.inference_mode()
def test_it_names_nine_of_ten_fresh_single_things(bundled: tuple[Any, Any, Any]) -> None:
    model, preprocess, tokenizer = bundled
    pictures = [
        paint_single(picture_seed(2, "clip-check", index), companion_chance=0.0)
        for index in range(100)
    ]
    images = torch.stack([preprocess(Image.fromarray(picture.image)) for picture in pictures])
    features = model.encode_image(images, normalize=True)
    prompts = tokenizer([PROMPT.format(name) for name in CLASS_NAMES])
    guesses = (features @ model.encode_text(prompts, normalize=True).T).argmax(dim=1)
    hits = sum(
        int(guess) == picture.class_index for guess, picture in zip(guesses, pictures, strict=True)
    )
    assert hits >= 90


@torch.inference_mode()
def test_it_answers_alike_whatever_resized_the_pictures(bundled: tuple[Any, Any, Any]) -> None:
    model, _, tokenizer = bundled
    side = model.visual.image_size
    how = Preprocess(side, side, "center", "bicubic", crop=0.95)
    frames = [paint_single(picture_seed(3, "clip-check", n), 180 + 9 * n).image for n in range(60)]
    prompts = tokenizer([PROMPT.format(name) for name in CLASS_NAMES])
    texts = model.encode_text(prompts, normalize=True)

    def cosines() -> torch.Tensor:
        pixels = torch.from_numpy(np.stack([how.apply(frame) for frame in frames]))
        images = (pixels.permute(0, 3, 1, 2) / 255 - 0.45) / 0.25
        found: torch.Tensor = model.encode_image(images, normalize=True) @ texts.T
        return found

    here = cosines()
    with resizer.pillow_alone():
        wanted = cosines()
    # 720 decisions at the thresholds that leave the least room, and the class of each picture
    thresholds = wanted.quantile(0.8, dim=0)
    assert ((here >= thresholds) != (wanted >= thresholds)).sum() <= 1
    assert here.argmax(dim=1).tolist() == wanted.argmax(dim=1).tolist()
    assert (here - wanted).abs().max() < 0.002


@torch.inference_mode()
def test_other_prompts_and_careful_articles_mean_the_same_class(
    bundled: tuple[Any, Any, Any],
) -> None:
    model, _, tokenizer = bundled
    plain = model.encode_text(tokenizer([PROMPT.format(c) for c in CLASS_NAMES]), normalize=True)
    for template in ("a picture of the {}", "{}", "this is a {}", "a photo of an {}"):
        other = tokenizer([template.format(name) for name in CLASS_NAMES])
        nearest = (model.encode_text(other, normalize=True) @ plain.T).argmax(dim=1)
        assert nearest.tolist() == list(range(len(CLASS_NAMES)))


def test_the_vocabulary_in_the_package_is_the_one_that_the_script_cuts(tmp_path: Path) -> None:
    cut_vocabulary(tmp_path / "cut.gz")
    assert (tmp_path / "cut.gz").read_bytes() == (BUNDLED / VOCABULARY_FILE).read_bytes()


def test_the_small_vocabulary_splits_its_words_as_the_full_one_does(
    bundled: tuple[Any, Any, Any],
) -> None:
    small, full = bundled[2], SimpleTokenizer()
    for word in words():
        pieces = [small.decoder[token] for token in small.encode(word)]
        assert pieces == [full.decoder[token] for token in full.encode(word)]
    assert all(len(small.encode(name)) == 1 for name in CLASS_NAMES)


@pytest.mark.parametrize(
    "text", ["a photo of a red star", "helicopter", "grüße", "你好", "a 3-legged zebra!"]
)
def test_any_text_survives_the_tokenizer(bundled: tuple[Any, Any, Any], text: str) -> None:
    tokenizer = bundled[2]
    assert tokenizer.decode(tokenizer.encode(text)).replace(" ", "") == text.replace(" ", "")


def test_a_long_text_is_cut_to_the_context_and_still_ends(bundled: tuple[Any, Any, Any]) -> None:
    model, _, tokenizer = bundled
    (tokens,) = tokenizer(["star " * 50])
    assert tokens.shape == (20,)
    assert tokens[-1] == tokenizer.eot_token_id == model.vocab_size - 1


def test_training_pictures_show_one_captioned_thing_or_none_and_never_a_scene(
    bundled: tuple[Any, Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(seed: int, size_px: int = 144) -> None:
        raise AssertionError("the tiny CLIP must not see a scene")

    monkeypatch.setattr(pictures_module, "paint_scene", forbidden)
    tokenizer = bundled[2]
    painted = paint_clip_pictures(
        tokenizer, seed=0, stream="clip", count=60, companion_chance=1.0, empty_chance=0.5
    )
    assert painted.pixels.shape == (60, 3, 64, 64)
    captions = [tokenizer.decode(tokens[1:].tolist()) for tokens in painted.tokens]
    for index, caption in zip(painted.classes.tolist(), captions, strict=True):
        named = [name for name in CLASS_NAMES if name in caption.split("<end_of_text>")[0].split()]
        assert named == ([] if index == NO_CLASS else [CLASS_NAMES[index]])
    assert 15 < int((painted.classes == NO_CLASS).sum()) < 45  # half of 60


def test_two_steps_of_training_write_a_model_that_open_clip_loads(tmp_path: Path) -> None:
    settings = Settings(seed=3, pictures=16, epochs=2, batch_size=8, check_pictures=8)
    train_clip(tmp_path / "clip", settings)
    first, *epochs = [
        json.loads(line) for line in (tmp_path / "clip" / LOG_FILE).read_text().splitlines()
    ]
    assert first["seed"] == 3
    assert [record["epoch"] for record in epochs] == [1, 2]
    model, preprocess, tokenizer = load(tmp_path / "clip")
    assert preprocess.transforms[0].size == (64, 64)  # squashed: no border is cut away
    assert model.vocab_size == tokenizer.vocab_size
    with pytest.raises(CdulEdgeError, match="--force"):
        train_clip(tmp_path / "clip", settings)


def test_the_same_seed_trains_the_same_bytes(tmp_path: Path) -> None:
    settings = Settings(seed=3, pictures=8, epochs=1, batch_size=8, check_pictures=1)
    states = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train_clip(tmp_path / name, replace(settings, seed=seed))
        states.append((tmp_path / name / WEIGHTS_FILE).read_bytes())
    assert states[0] == states[1]
    assert states[0] != states[2]


def test_the_bundled_config_is_what_the_script_writes(tmp_path: Path) -> None:
    settings = Settings(pictures=2, epochs=1, batch_size=2, check_pictures=1)
    train_clip(tmp_path / "clip", settings)
    written = json.loads((tmp_path / "clip" / CONFIG_FILE).read_text())
    assert written == json.loads((BUNDLED / CONFIG_FILE).read_text())


def test_a_batch_larger_than_all_pictures_is_refused() -> None:
    with pytest.raises(CdulEdgeError, match="batches of 256 of 100"):
        Settings(pictures=100)

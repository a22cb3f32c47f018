"""Train the tiny CLIP of the drawn world: `python -m cdul_edge.demo.train_clip --out DIR`.

It sees single captioned things only, never a scene of several and never a scene's labels. The
folder it writes is an ordinary open_clip model: `local-dir:DIR` loads it, with the tokenizer's
`bpe_path` set to the vocabulary beside it.
"""

from __future__ import annotations

import json
import math
import os
import platform
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import open_clip
import torch
import typer
from numpy.typing import NDArray
from open_clip.loss import ClipLoss
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import normalize

from cdul_edge.demo.canvas import Pixels
from cdul_edge.demo.vocabulary import cut_vocabulary
from cdul_edge.demo.world import CLASS_NAMES, CaptionedPicture, paint_single, picture_seed

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
VOCABULARY_FILE = "bpe_vocabulary.txt.gz"
LOG_FILE = "training_log.jsonl"
SIZE_PX = 64
CONTEXT_LENGTH = 20
# Painted smaller or larger and resized: a tile of a scene is soft, a shrunk scene is crisp.
PAINTED_SIZES_PX = (40, 48, 64, 80)
PROMPT = "a photo of a {}"


@dataclass(frozen=True)
class Settings:
    """Every number of a training run.

    Attributes:
        pictures: painted once, seen again in every epoch with another shift, flip and light.
        learning_rate: the highest, reached after `warmup_steps`, then a cosine down to 0.
        check_pictures: unseen ones on which each epoch's accuracy is measured, twice: things
            alone and things with small companions.
    """

    seed: int = 0
    pictures: int = 30_000
    epochs: int = 12
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_steps: int = 200
    check_pictures: int = 1_500

    def __post_init__(self) -> None:
        if not 2 <= self.batch_size <= self.pictures:
            raise ValueError(f"batch size {self.batch_size}: expected 2 to {self.pictures}")

    @property
    def steps(self) -> int:
        return self.epochs * (self.pictures // self.batch_size)


@dataclass(frozen=True)
class Pictures:
    """Captioned pictures in memory: pixels (N, 3, H, W) uint8, classes (N,), tokens (N, L)."""

    pixels: Tensor
    classes: Tensor
    tokens: Tensor


def model_config(vocabulary_size: int) -> dict[str, Any]:
    """open_clip's description of the model: a ResNet of CLIP's kind, and a two-layer text tower."""
    return {
        "embed_dim": 128,
        "vision_cfg": {
            "image_size": SIZE_PX,
            "layers": [2, 2, 1, 1],
            "width": 16,
            "patch_size": None,
        },
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": vocabulary_size,
            "width": 64,
            "heads": 2,
            "layers": 2,
        },
    }


def train_clip(out: Path, settings: Settings) -> None:
    """Paint, train, and write config, weights, vocabulary and log into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    cut_vocabulary(out / VOCABULARY_FILE)
    tokenizer = SimpleTokenizer(str(out / VOCABULARY_FILE), context_length=CONTEXT_LENGTH)
    config = model_config(tokenizer.vocab_size)
    model = open_clip.CLIP(**config)
    preprocess = {
        "mean": open_clip.OPENAI_DATASET_MEAN,
        "std": open_clip.OPENAI_DATASET_STD,
        "interpolation": "bicubic",
        "resize_mode": "squash",
    }
    described = {"model_cfg": config, "preprocess_cfg": preprocess}
    (out / CONFIG_FILE).write_text(json.dumps(described, indent=2) + "\n")
    with (out / LOG_FILE).open("w") as log:
        for record in _train(model, tokenizer, settings):
            line = json.dumps(record)
            log.write(line + "\n")
            log.flush()
            print(line, file=sys.stderr, flush=True)
    _save_weights(model, out / WEIGHTS_FILE, settings)


def _train(
    model: open_clip.CLIP, tokenizer: SimpleTokenizer, settings: Settings
) -> Iterator[dict[str, Any]]:
    """Train in place; yields the run's settings, then one record an epoch."""
    yield {**asdict(settings), **_circumstances(), "parameters": _count_parameters(model)}
    started = time.perf_counter()
    pictures = _paint(tokenizer, settings, "clip", settings.pictures, 0.5)
    checks = {
        f"accuracy_{name}": _paint(tokenizer, settings, "clip-check", settings.check_pictures, p)
        for name, p in (("alone", 0.0), ("with_companions", 1.0))
    }
    prompts = tokenizer([PROMPT.format(name) for name in CLASS_NAMES])
    model.visual.to(memory_format=torch.channels_last)
    optimiser = _optimiser(model, settings)
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, partial(_rate_at, settings))
    generator = torch.Generator().manual_seed(settings.seed)
    for epoch in range(settings.epochs):
        model.train()
        losses = []
        order = torch.randperm(settings.pictures, generator=generator)
        for batch in order.split(settings.batch_size)[: settings.steps // settings.epochs]:
            images = _augment(pictures.pixels[batch], generator)
            losses.append(_step(model, optimiser, images, pictures.tokens[batch]))
            rate.step()
        model.eval()
        yield {
            "epoch": epoch + 1,
            "loss": round(sum(losses) / len(losses), 4),
            "logit_scale": round(float(model.logit_scale.exp()), 3),
            **{name: _accuracy(model, prompts, check) for name, check in checks.items()},
            "seconds": round(time.perf_counter() - started, 1),
        }


def _step(
    model: open_clip.CLIP, optimiser: torch.optim.Optimizer, images: Tensor, tokens: Tensor
) -> float:
    with torch.autocast("cpu", torch.bfloat16):
        image_features = model.encode_image(images)
    text_features = model.encode_text(tokens, normalize=True)
    loss = ClipLoss()(
        normalize(image_features.float(), dim=-1), text_features, model.logit_scale.exp()
    )
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    with torch.no_grad():
        model.logit_scale.clamp_(0, math.log(100))  # CLIP's own bounds
    return float(loss.detach())


def _augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Flip, shift by up to 4 px, change contrast and brightness; the network's (N, 3, H, W)."""
    count = len(pixels)
    images = pixels.float() / 255
    flipped = torch.rand(count, 1, 1, 1, generator=generator) < 0.5
    images = torch.where(flipped, images.flip(3), images)
    down, right = torch.randint(-4, 5, (2,), generator=generator).tolist()
    images = images.roll((down, right), (2, 3))
    contrast, brightness = torch.rand(2, count, 1, 1, 1, generator=generator) - 0.5
    images = images * (1 + 0.3 * contrast) + 0.2 * brightness
    return _standardise(images.clamp(0, 1))


def _standardise(images: Tensor) -> Tensor:
    mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(3, 1, 1)
    std = torch.tensor(open_clip.OPENAI_DATASET_STD).view(3, 1, 1)
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _accuracy(model: open_clip.CLIP, prompts: Tensor, check: Pictures) -> float:
    texts = model.encode_text(prompts, normalize=True)
    images = [
        model.encode_image(_standardise(part.float() / 255)) for part in check.pixels.split(250)
    ]
    guesses = (torch.cat(images) @ texts.T).argmax(dim=1)
    return round(float((guesses == check.classes).float().mean()), 4)


def _optimiser(model: open_clip.CLIP, settings: Settings) -> torch.optim.Optimizer:
    matrices = [value for value in model.parameters() if value.ndim > 1]
    vectors = [value for value in model.parameters() if value.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98))


def _rate_at(settings: Settings, step: int) -> float:
    """The share of the highest learning rate at this step."""
    warmup = min(1.0, (step + 1) / settings.warmup_steps)
    return warmup * 0.5 * (1 + math.cos(math.pi * step / settings.steps))


def _paint(
    tokenizer: SimpleTokenizer, settings: Settings, stream: str, count: int, companion_chance: float
) -> Pictures:
    seeds = [picture_seed(settings.seed, stream, index) for index in range(count)]
    paint = partial(_paint_one, companion_chance=companion_chance)
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as workers:
        painted = list(workers.map(paint, seeds, chunksize=500))
    pixels: NDArray[np.uint8] = np.stack([picture.image for picture in painted])
    return Pictures(
        pixels=torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(),
        classes=torch.tensor([picture.class_index for picture in painted]),
        tokens=tokenizer([picture.caption for picture in painted]),
    )


def _paint_one(seed: int, companion_chance: float) -> CaptionedPicture:
    size_px = PAINTED_SIZES_PX[seed % len(PAINTED_SIZES_PX)]
    picture = paint_single(seed, size_px, companion_chance=companion_chance)
    image: Pixels = picture.image
    if size_px != SIZE_PX:
        resized = Image.fromarray(image).resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC)
        image = np.asarray(resized)
    return CaptionedPicture(image, picture.class_index, picture.caption)


def _save_weights(model: open_clip.CLIP, path: Path, settings: Settings) -> None:
    """Matrices and vectors in half precision; scalars and counters as they are."""
    state = {
        name: (value.half() if value.is_floating_point() and value.ndim else value).contiguous()
        for name, value in model.state_dict().items()
    }
    save_file(state, path, metadata={"format": "pt", "settings": json.dumps(asdict(settings))})


def _count_parameters(model: open_clip.CLIP) -> int:
    return sum(value.numel() for value in model.parameters())


def _circumstances() -> dict[str, Any]:
    return {
        "torch": torch.__version__,
        "open_clip": open_clip.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }


def main(
    out: Annotated[Path, typer.Option(help="Folder for the model's files.")],
    seed: Annotated[int, typer.Option(min=0)] = 0,
    pictures: Annotated[int, typer.Option(min=2)] = Settings.pictures,
    epochs: Annotated[int, typer.Option(min=1)] = Settings.epochs,
    batch_size: Annotated[int, typer.Option(min=2)] = Settings.batch_size,
    check_pictures: Annotated[int, typer.Option(min=1)] = Settings.check_pictures,
) -> None:
    """Train the tiny CLIP of the drawn world."""
    settings = Settings(
        seed=seed,
        pictures=pictures,
        epochs=epochs,
        batch_size=batch_size,
        check_pictures=check_pictures,
    )
    train_clip(out, settings)


if __name__ == "__main__":
    typer.run(main)

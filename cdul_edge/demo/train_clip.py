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
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import open_clip
import torch
import typer
from open_clip.loss import ClipLoss
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import normalize

from cdul_edge.demo.clip_pictures import (
    ClipPictures,
    augment,
    network_input,
    paint_clip_pictures,
)
from cdul_edge.demo.clip_settings import CONTEXT_LENGTH, Settings, model_config
from cdul_edge.demo.pictures import CLASS_NAMES
from cdul_edge.demo.vocabulary import cut_vocabulary
from cdul_edge.version import __version__
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import atomic_write, new_directory, write_json
from cdul_edge_runtime.host.ownership import FolderKind

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
VOCABULARY_FILE = "bpe_vocabulary.txt.gz"
LOG_FILE = "training_log.jsonl"
PROMPT = "a photo of a {}"
# Of the training pictures: one or two much smaller things beside the captioned one; none at all.
COMPANION_CHANCE, EMPTY_CHANCE = 0.5, 0.1


CLIP_FOLDER = FolderKind(
    "tiny CLIP",
    CONFIG_FILE,
    (CONFIG_FILE, WEIGHTS_FILE, VOCABULARY_FILE, LOG_FILE, "README.md"),
    lambda config: {"model_cfg", "preprocess_cfg"} <= config.keys(),
)


def train_clip(out: Path, settings: Settings, *, force: bool = False) -> None:
    """Paint, train, and make the folder `out` of config, weights, vocabulary and log.

    Raises:
        CdulEdgeError: `out` exists and `force` is not set.
    """
    with new_directory(out, CLIP_FOLDER, force=force) as folder:
        torch.manual_seed(settings.seed)
        cut_vocabulary(folder / VOCABULARY_FILE)
        tokenizer = SimpleTokenizer(str(folder / VOCABULARY_FILE), context_length=CONTEXT_LENGTH)
        config = model_config(tokenizer.vocab_size)
        preprocess = {
            "mean": open_clip.OPENAI_DATASET_MEAN,
            "std": open_clip.OPENAI_DATASET_STD,
            "interpolation": "bicubic",
            "resize_mode": "squash",
        }
        write_json(folder / CONFIG_FILE, {"model_cfg": config, "preprocess_cfg": preprocess})
        model = open_clip.CLIP(**config)
        with (folder / LOG_FILE).open("w", encoding="utf-8") as log:
            for record in _train(model, tokenizer, settings):
                log.write(json.dumps(record) + "\n")
                print(json.dumps(record), file=sys.stderr, flush=True)
        _save_weights(model, folder / WEIGHTS_FILE, settings)


def _train(
    model: open_clip.CLIP, tokenizer: SimpleTokenizer, settings: Settings
) -> Iterator[dict[str, object]]:
    """Train in place; yields the run's circumstances, then one record an epoch."""
    yield {**asdict(settings), **_circumstances(model)}
    started = time.perf_counter()
    paint = partial(paint_clip_pictures, tokenizer, seed=settings.seed)
    pictures = paint(
        stream="clip",
        count=settings.pictures,
        companion_chance=COMPANION_CHANCE,
        empty_chance=EMPTY_CHANCE,
    )
    checks = {
        name: paint(stream="clip-check", count=settings.check_pictures, companion_chance=chance)
        for name, chance in (("accuracy_alone", 0.0), ("accuracy_with_companions", 1.0))
    }
    prompts = tokenizer([PROMPT.format(name) for name in CLASS_NAMES])
    model.visual.to(memory_format=torch.channels_last)
    optimizer = _optimizer(model, settings)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(_rate_at, settings))
    generator = torch.Generator().manual_seed(settings.seed)
    for epoch in range(settings.epochs):
        loss = _train_epoch(
            model,
            optimizer=optimizer,
            rate=rate,
            pictures=pictures,
            generator=generator,
            settings=settings,
        )
        yield {
            "epoch": epoch + 1,
            "loss": round(loss, 4),
            "logit_scale": round(float(model.logit_scale.detach().exp()), 3),
            **{name: _accuracy(model, prompts, check) for name, check in checks.items()},
            "seconds": round(time.perf_counter() - started, 1),
        }


def _train_epoch(
    model: open_clip.CLIP,
    *,
    optimizer: torch.optim.Optimizer,
    rate: torch.optim.lr_scheduler.LRScheduler,
    pictures: ClipPictures,
    generator: torch.Generator,
    settings: Settings,
) -> float:
    """One pass in a new order; returns the mean loss of its full batches."""
    model.train()
    total = 0.0
    order = torch.randperm(settings.pictures, generator=generator)
    for step in range(settings.epoch_steps):
        batch = order[step * settings.batch_size : (step + 1) * settings.batch_size]
        images = augment(pictures.pixels[batch], generator)
        total += _step(model, optimizer, images, pictures.tokens[batch])
        rate.step()
    return total / settings.epoch_steps


def _step(
    model: open_clip.CLIP, optimizer: torch.optim.Optimizer, images: Tensor, tokens: Tensor
) -> float:
    with torch.autocast("cpu", torch.bfloat16):
        image_features = model.encode_image(images)
    text_features = model.encode_text(tokens, normalize=True)
    loss = ClipLoss()(
        normalize(image_features.float(), dim=-1), text_features, model.logit_scale.exp()
    )
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.clamp_(0, math.log(100))  # CLIP's own bounds
    return float(loss.detach())


@torch.no_grad()
def _accuracy(model: open_clip.CLIP, prompts: Tensor, check: ClipPictures) -> float:
    model.eval()
    texts = model.encode_text(prompts, normalize=True)
    parts = torch.split(check.pixels, 250)
    images = torch.cat([model.encode_image(network_input(part)) for part in parts])
    guesses = (images @ texts.T).argmax(dim=1)
    return round(float((guesses == check.classes).float().mean()), 4)


def _optimizer(model: open_clip.CLIP, settings: Settings) -> torch.optim.Optimizer:
    """AdamW as CLIP has it: gains, biases and the logit scale are not decayed."""
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
    steps = settings.epochs * settings.epoch_steps
    return warmup * 0.5 * (1 + math.cos(math.pi * step / steps))


def _save_weights(model: open_clip.CLIP, path: Path, settings: Settings) -> None:
    """Matrices and vectors in half precision; scalars and counters as they are."""
    state = {
        name: (value.half() if value.is_floating_point() and value.ndim else value).contiguous()
        for name, value in model.state_dict().items()
    }
    about = json.dumps({"version": __version__, **asdict(settings)})
    with atomic_write(path) as temporary:
        # One key: safetensors writes several in random order, and the bytes would differ each time.
        save_file(state, temporary, metadata={"cdul_edge": about})


def _circumstances(model: open_clip.CLIP) -> dict[str, object]:
    return {
        "parameters": sum(value.numel() for value in model.parameters()),
        "cdul_edge": __version__,
        "torch": torch.__version__,
        "open_clip": open_clip.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} used",
    }


def main(
    out: Annotated[Path, typer.Option(help="Write the model to this folder.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of pictures, weights and order.")] = 0,
    pictures: Annotated[
        int, typer.Option(min=2, help="Draw this many pictures.")
    ] = Settings.pictures,
    epochs: Annotated[int, typer.Option(min=1, help="Show them this often.")] = Settings.epochs,
    batch_size: Annotated[
        int, typer.Option(min=2, help="Pictures per step.")
    ] = Settings.batch_size,
    check_pictures: Annotated[
        int, typer.Option(min=1, help="Measure accuracy on this many others.")
    ] = Settings.check_pictures,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the model that --out holds.")
    ] = False,
) -> None:
    """Train the tiny CLIP of the drawn world."""
    settings = Settings(
        seed=seed,
        pictures=pictures,
        epochs=epochs,
        batch_size=batch_size,
        check_pictures=check_pictures,
    )
    train_clip(out, settings, force=force)


if __name__ == "__main__":
    try:
        typer.run(main)
    except CdulEdgeError as error:
        print(f"train_clip: {error}", file=sys.stderr)
        sys.exit(2)

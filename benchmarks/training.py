"""Training from JPEG files against bare forward and backward on tensors in memory.

Sides that take turns, resnet18 at 224 px, batches of 32:

* `first_epoch`: decode every picture into the cache, then one epoch of `cdul-edge train`;
* `later_epochs`: one epoch from the cache, as every epoch but the first;
* `uncached`: one epoch that decodes again (`--cache none`);
* `bare`: forward, loss and backward on one batch already in memory, without an optimizer.

A run of E epochs has the speed of one `first_epoch` and E - 1 `later_epochs`; `run_over_bare` is
that for 10 epochs. Augmentation is flip, shift and color: everything that `train` can do.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.models import resnet18

from benchmarks.record import interleave, median_ratio, record
from cdul_edge.demo.pictures import paint_scene
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.data.dataset import Pictures, open_pictures
from cdul_edge.training.loop import Trainer
from cdul_edge.training.methods import Supervision, make_method
from cdul_edge.training.networks.network import create_network
from cdul_edge.training.optimization import autocast, resolve_precision
from cdul_edge.training.presets import PLAIN, ConfigChanges, make_config
from cdul_edge.training.request import DataOptions
from cdul_edge_runtime.pictures.images import PictureList, find_images, open_image

PHOTOS = Path(__file__).parents[2] / "shared" / "data" / "photos"
CLASSES = 20
BATCH = 32
EPOCHS = 10  # of the run whose speed is worked out
CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        pictures = write_pictures(Path(folder), options.pictures)
        figures: dict[str, Any] = {"network": "resnet18 224 px"}
        for precision in ("fp32", resolve_precision("auto", CPU)):
            if precision not in figures:
                figures[precision] = measure(pictures, precision, options.threads, options.repeats)
    record("training", figures, threads=options.threads)


def write_pictures(folder: Path, count: int) -> PictureList:
    """JPEG files of 500 x 375 px, as in VOC: crops of photographs, or painted scenes."""
    sources = find_images(PHOTOS) if PHOTOS.is_dir() else None
    for index in range(count):
        if sources:
            image = open_image(sources.absolute(index % len(sources)))
        else:
            image = Image.fromarray(paint_scene(index).image)
        buffer = io.BytesIO()
        image.resize((500, 375)).save(buffer, "JPEG", quality=90)
        (folder / f"{index:04}.jpg").write_bytes(buffer.getvalue())
    return find_images(folder)


def measure(pictures: PictureList, precision: Any, threads: int, repeats: int) -> dict[str, Any]:
    """Pictures a second of each side, and how each compares with the bare side in the same turn."""
    changes: ConfigChanges = {
        **PLAIN, "network": "resnet18", "weights": "none", "precision": precision,
        "batch_size": BATCH, "epochs": 1000, "learning_rate": 1e-5, "shift": 0.125, "color": 0.4,
    }  # fmt: skip
    config = make_config(**changes)
    trainer, open_anew = make_trainer(pictures, config, threads)
    cached, uncached = open_anew("memory"), open_anew("none")

    def epoch(shown: Pictures) -> None:
        trainer.pictures = shown
        trainer.train_epoch()

    sides: dict[str, Callable[[], object]] = {
        "first_epoch": lambda: epoch(open_anew("memory")),
        "later_epochs": lambda: epoch(cached),
        "uncached": lambda: epoch(uncached),
        "bare": make_bare(config, len(pictures) // BATCH),
    }
    for name in ("later_epochs", "bare"):  # warm up
        sides[name]()
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    seconds = interleave({k: with_cpu_time(call, cpu[k]) for k, call in sides.items()}, repeats)
    rest = EPOCHS - 1
    pairs = zip(seconds["first_epoch"], seconds["later_epochs"], strict=True)
    run = [(first + rest * later) / EPOCHS for first, later in pairs]
    shown = (len(pictures) // BATCH) * BATCH
    return {
        "pictures": shown,
        "pictures_per_s": {k: round(shown / median(v), 2) for k, v in seconds.items()},
        "over_bare": {
            k: round(median_ratio(seconds["bare"], v), 3) for k, v in seconds.items() if k != "bare"
        },
        "run_over_bare": round(median_ratio(seconds["bare"], run), 3),
        "over_bare_in_cpu_time": {
            k: round(median_ratio(cpu["bare"], v), 3) for k, v in cpu.items() if k != "bare"
        },
        "seconds": {k: [round(s, 2) for s in v] for k, v in seconds.items()},
    }


def with_cpu_time(call: Callable[[], object], spent: list[float]) -> Callable[[], None]:
    """`call`, which adds the CPU seconds of all threads to `spent`: other programs leave these."""

    def run() -> None:
        start = process_time()
        call()
        spent.append(process_time() - start)

    return run


def make_trainer(
    pictures: PictureList, config: TrainConfig, threads: int
) -> tuple[Trainer, Callable[[Any], Pictures]]:
    """A trainer of `cdul-edge train`, and how to open its pictures in a cache of some kind."""
    network, plan = create_network(config, CLASSES)

    def open_anew(cache: Any) -> Pictures:
        options = DataOptions(cache=cache, workers=threads)
        return open_pictures(
            pictures, plan.preprocess, options, scratch=pictures.root / "cache", remedy=""
        )

    shape = (len(pictures), CLASSES)
    supervision = Supervision(
        scores=torch.full(shape, 0.1),
        observed=torch.zeros(shape, dtype=torch.int8),
        cosines=None,
        hard=False,
        epochs=config.epochs,
    )
    method = make_method(config, supervision)
    trainer = Trainer(
        network, method, open_anew("none"), preprocess=plan.preprocess, config=config, device=CPU
    )
    return trainer, open_anew


def make_bare(config: TrainConfig, steps: int) -> Callable[[], None]:
    """Forward, loss and backward, in the memory layout that is fastest for it."""
    network = resnet18(num_classes=CLASSES).to(memory_format=torch.channels_last).train()
    images = torch.randn(BATCH, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    targets = torch.full((BATCH, CLASSES), 0.1)

    def run() -> None:
        for _ in range(steps):
            with autocast(CPU, config.precision):
                logits = network(images)
            network.zero_grad(set_to_none=True)
            F.binary_cross_entropy_with_logits(logits.float(), targets).backward()  # type: ignore[no-untyped-call]

    return run


if __name__ == "__main__":
    main()

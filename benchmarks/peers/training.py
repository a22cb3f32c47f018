"""Training beside torchvision's reference script and timm's, from the same JPEG files.

Every side starts from random weights, trains all layers of the same network in FP32, in batches of
one size, with SGD (momentum 0.9) on a multi-label binary cross-entropy, and shows each picture once
in a call:

* `ours_cached`: an epoch of `cdul-edge train` from decoded pictures, as every epoch but the first;
* `ours_uncached`: an epoch that decodes again (`--cache none`);
* `ours_auto`, on request: as cached, in the format that `--precision auto` finds by its trial;
* `timm`: what its train script is made of: `create_loader` with its prefetcher and without color
  jitter, `create_optimizer_v2`, and its `BinaryCrossEntropy`;
* `torchvision`: the loop of its `references/classification`, with that script's transforms.

Each augments as its defaults do. Ours mirrors half of the pictures and shows a window of 70 to
100 % of each. The others mirror half, and crop 8 to 100 % at aspect ratios of 3/4 to 4/3 before the
resize. Their loaders have a process per thread, which stay from call to call, as in an epoch after
the first; nothing is read ahead between two calls.

Each side is a process of its own that waits for its turns, so that none shares another's memory:
what malloc has learned, and what it keeps, differ.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Literal, get_args

import timm
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from timm.data import create_loader
from timm.loss import BinaryCrossEntropy
from timm.optim import create_optimizer_v2
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision.transforms import v2

from benchmarks.record import interleave, median_ratio
from benchmarks.training import write_pictures
from cdul_edge.training.config import Precision, TrainConfig
from cdul_edge.training.data.dataset import open_pictures
from cdul_edge.training.loop import Trainer
from cdul_edge.training.methods import Supervision, make_method
from cdul_edge.training.networks.network import create_network
from cdul_edge.training.precision_trial import try_precisions
from cdul_edge.training.presets import PLAIN, ConfigChanges, make_config
from cdul_edge.training.request import CacheKind, DataOptions
from cdul_edge_runtime.host.memory import keep_freed_memory
from cdul_edge_runtime.pictures.images import PictureList, find_images

Network = Literal["resnet18", "lite0"]

CLASSES = 20
_MODULE = "benchmarks.peers.training"
SIDE_PX = 224
CPU = torch.device("cpu")
_TIMM_NAMES: dict[Network, str] = {"resnet18": "resnet18", "lite0": "tf_efficientnet_lite0"}
_OUR_NAMES: dict[Network, str] = {"resnet18": "resnet18", "lite0": "timm:tf_efficientnet_lite0"}


@dataclass(frozen=True)
class TrainingWork:
    """What every side trains.

    Attributes:
        network: "resnet18", or "lite0" for timm's EfficientNet-Lite0.
        pictures: shown once in a call; whole batches of them.
        batch: pictures per step.
        threads: of torch, and of whatever decodes.
    """

    network: Network
    pictures: PictureList
    batch: int = 32
    threads: int = 2


def make_sides(work: TrainingWork, *, auto: bool = False) -> dict[str, Callable[[], object]]:
    """Calls that train on every picture once, by the name of their side."""
    if len(work.pictures) % work.batch:
        raise ValueError(f"{len(work.pictures)} pictures are no whole batches of {work.batch}")
    sides = [side for side in _SIDES if auto or side != "ours_auto"]
    return {side: _in_a_process(side, work) for side in sides}


def _in_a_process(side: str, work: TrainingWork) -> Callable[[], None]:
    """Calls of a process that ends when its input does: with this one, or with the side.

    It starts at the first call, alone: the trial of `ours_auto` is not to run beside other starts.
    """
    folder, words = work.pictures.root, [work.network, str(work.batch), str(work.threads)]
    command = [sys.executable, "-m", _MODULE, "--serve", side, str(folder), *words]
    started: list[subprocess.Popen[str]] = []

    def run() -> None:
        if not started:
            pipe = subprocess.PIPE
            started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1))
        source, sink = started[0].stdout, started[0].stdin
        assert source is not None  # both are pipes
        assert sink is not None
        sink.write("train\n")
        if source.readline() != "trained\n":
            raise RuntimeError(f"the process of {side} ended: see what it wrote above")

    return run


def serve(side: str, work: TrainingWork) -> None:
    """Train on every picture once for each line of the input, and answer with a line."""
    torch.set_num_threads(work.threads)
    # As `cdul-edge train` does around a whole run; the others leave malloc as it is.
    with keep_freed_memory() if side.startswith("ours") else nullcontext():
        call = _SIDES[side](work)
        for _ in sys.stdin:
            call()
            print("trained", flush=True)


def _ours(
    work: TrainingWork, cache: CacheKind, precision: Precision = "fp32"
) -> Callable[[], object]:
    changes: ConfigChanges = {
        **PLAIN, "network": _OUR_NAMES[work.network], "weights": "none", "precision": precision,
        "method": "fixed", "optimizer": "sgd", "learning_rate": 1e-4, "batch_size": work.batch,
        "zoom_in": TrainConfig().zoom_in, "epochs": 1000,
    }  # fmt: skip
    config = make_config(**changes)
    network, plan = create_network(config, CLASSES)
    if precision == "auto":
        trial = try_precisions(network, plan.preprocess, config, pictures=len(work.pictures))
        print(trial.describe(), file=sys.stderr)
        config = replace(config, precision=trial.choice)
    shape = (len(work.pictures), CLASSES)
    supervision = Supervision(
        scores=torch.full(shape, 0.1),
        observed=torch.zeros(shape, dtype=torch.int8),
        cosines=None,
        hard=False,
        epochs=config.epochs,
    )
    pictures = open_pictures(
        work.pictures,
        plan.preprocess,
        DataOptions(cache=cache, workers=work.threads),
        scratch=work.pictures.root / "cache",
        remedy="",
    )
    method = make_method(config, supervision)
    trainer = Trainer(
        network, method, pictures, preprocess=plan.preprocess, config=config, device=CPU
    )
    return trainer.train_epoch


class _Files(Dataset[tuple[Any, Tensor]]):
    """Pictures as both scripts' data sets read them: Pillow opens the file and makes it RGB."""

    def __init__(self, pictures: PictureList, transform: Callable[[Image.Image], Any]) -> None:
        self.pictures, self.transform = pictures, transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Any, Tensor]:
        with self.pictures.absolute(index).open("rb") as file:
            image = Image.open(file).convert("RGB")
        return self.transform(image), torch.full((CLASSES,), 0.1)


def _timm(work: TrainingWork) -> Callable[[], object]:
    network = timm.create_model(_TIMM_NAMES[work.network], num_classes=CLASSES)
    mean, std = network.pretrained_cfg["mean"], network.pretrained_cfg["std"]
    loader = create_loader(
        _Files(work.pictures, lambda image: image),  # create_loader gives it its transform
        input_size=(3, SIDE_PX, SIDE_PX),
        batch_size=work.batch,
        is_training=True,
        color_jitter=0.0,
        mean=mean,
        std=std,
        num_workers=work.threads,
        device=CPU,
    )
    optimizer = create_optimizer_v2(network, opt="sgd", lr=1e-4, weight_decay=2e-5, momentum=0.9)
    loss = BinaryCrossEntropy(smoothing=0.0)
    return _epoch(network, loader, optimizer, loss)


def _torchvision(work: TrainingWork) -> Callable[[], object]:
    if work.network == "resnet18":
        network: nn.Module = torchvision.models.resnet18(num_classes=CLASSES)
    else:  # its own collection lacks this network
        network = timm.create_model(_TIMM_NAMES[work.network], num_classes=CLASSES)
    # ClassificationPresetTrain with its defaults.
    transform = v2.Compose(
        [
            v2.RandomResizedCrop(SIDE_PX, antialias=True),
            v2.RandomHorizontalFlip(0.5),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            v2.ToPureTensor(),
        ]
    )
    files = _Files(work.pictures, transform)
    loader: DataLoader[tuple[Any, Tensor]] = DataLoader(
        files,
        batch_size=work.batch,
        sampler=RandomSampler(files),
        num_workers=work.threads,
        persistent_workers=True,
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    return _epoch(network, loader, optimizer, F.binary_cross_entropy_with_logits)


def _epoch(
    network: nn.Module,
    loader: Iterable[Any],
    optimizer: torch.optim.Optimizer,
    loss: Callable[[Tensor, Tensor], Tensor],
) -> Callable[[], None]:
    """The loop that both scripts share: forward, loss, backward, step, and a look at the loss."""
    network.train()

    def run() -> None:
        for images, targets in loader:
            found = loss(network(images), targets)
            optimizer.zero_grad()
            found.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            found.item()

    return run


_SIDES: dict[str, Callable[[TrainingWork], Callable[[], object]]] = {
    "ours_cached": partial(_ours, cache="memory"),
    "ours_uncached": partial(_ours, cache="none"),
    "ours_auto": partial(_ours, cache="memory", precision="auto"),
    "timm": _timm,
    "torchvision": _torchvision,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=get_args(Network), default="resnet18")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--auto", action="store_true", help="add the side ours_auto")
    parser.add_argument("--serve", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        side, folder, network, batch, threads = options.serve
        pictures = find_images(Path(folder))
        serve(side, TrainingWork(network, pictures, int(batch), int(threads)))
        return
    with tempfile.TemporaryDirectory() as folder:
        pictures = write_pictures(Path(folder), options.pictures)
        work = TrainingWork(options.network, pictures, options.batch, options.threads)
        sides = make_sides(work, auto=options.auto)
        for call in sides.values():  # warm up
            call()
        seconds = interleave(sides, options.rounds)
    print(json.dumps(summarize(len(pictures), seconds), indent=2))


def summarize(shown: int, seconds: dict[str, list[float]]) -> dict[str, object]:
    """Pictures a second of each side, and the speed of ours over each peer's."""
    return {
        "pictures_per_s": {name: round(shown / median(s), 2) for name, s in seconds.items()},
        "over": {
            f"{ours}/{peer}": round(median_ratio(seconds[peer], seconds[ours]), 3)
            for ours in seconds
            for peer in ("timm", "torchvision")
            if ours.startswith("ours")
        },
        "seconds": {name: [round(s, 2) for s in values] for name, values in seconds.items()},
    }


if __name__ == "__main__":
    main()

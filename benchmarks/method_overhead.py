"""What each training method adds to an epoch of the loop, against labels that stay fixed.

One epoch of `cdul-edge train` with a method, past its warm-up, and what the method then does to its
labels, right after one epoch with `fixed` on the same pictures in memory; the methods take turns.
Times are CPU seconds of the process, which other programs leave mostly alone, and each ratio is the
median over the turns, with its standard error. `fixed` against itself is what chance alone does.

`own_work` is finer than chance: loss, its gradient and the turn after the epoch alone, on logits
that no network made, over the same `fixed` epoch; what it is more than that of `fixed` is the
method's.

A method may ask for the logits of the whole training set. That pass is timed on its own, and
`with_passes` adds it as often as a run of 20 epochs with the method's defaults has it. CCD's second
look with CLIP is left out: it comes once, and costs what that CLIP costs.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from statistics import median, stdev
from time import process_time
from typing import Any

import torch

from benchmarks.record import interleave, median_ratio, record
from cdul_edge.training.config import METHODS, MethodName, TrainConfig
from cdul_edge.training.data.dataset import StoredPictures
from cdul_edge.training.loop import Trainer
from cdul_edge.training.methods import AnyMethod, Supervision, make_method
from cdul_edge.training.methods.base import Regions, Step
from cdul_edge.training.networks.network import create_network

SIZE_PX = 96
CLASSES = 80
BATCH = 32
RUN_EPOCHS = 20  # of the run whose passes are counted
BAR = 1.05
# Methods that send pictures through the network once more in every step, and so cannot meet it.
SECOND_PASS = {"pu-mlc": "half a batch of mixed pictures", "ccd": "another view of each picture"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=41)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    figures = measure(options.methods, options.pictures, options.repeats)
    for name, found in figures["methods"].items():
        print(name, found)
    record("method_overhead", figures, threads=options.threads)


def measure(names: list[MethodName], count: int, repeats: int) -> dict[str, Any]:
    """Each method's epoch, and a pass over the training set, over a `fixed` epoch just before."""
    draws = torch.Generator().manual_seed(0)
    shape = (count, SIZE_PX, SIZE_PX, 3)
    pictures = StoredPictures(torch.randint(0, 256, shape, generator=draws, dtype=torch.uint8))
    fixed = Epoch("fixed", pictures)
    epochs = {name: Epoch(name, pictures) for name in names}
    one_pass = Against(fixed, lambda: fixed.trainer.predict(pictures))
    pairs: dict[str, Against] = {name: Against(fixed, epoch) for name, epoch in epochs.items()}
    turns: dict[str, Callable[[], object]] = {"pass": one_pass, **pairs}
    interleave(turns, 1)
    for pair in (one_pass, *pairs.values()):  # that was to warm up
        pair.forget()
    interleave(turns, repeats)
    own: dict[str, OwnWork] = {
        name: OwnWork(name, count) for name in names if name not in SECOND_PASS
    }
    interleave({**own}, 2 * repeats)
    fixed_seconds = median(s for pair in pairs.values() for s in pair.fixed_seconds)
    shares = {name: median(work.seconds) / fixed_seconds for name, work in own.items()}
    pass_share = one_pass.ratio
    return {
        "network": f"clip:demo {SIZE_PX} px",
        "pictures": count,
        "classes": CLASSES,
        "batch": BATCH,
        "turns": repeats,
        "bar": BAR,
        "pass_over_fixed": round(pass_share, 3),
        "methods": {
            name: report(name, pairs[name], pass_share, shares.get(name)) for name in names
        },
    }


class GivenLogits:
    """The end of an epoch with logits that no network made; counts how often they are asked for."""

    def __init__(self, logits: torch.Tensor) -> None:
        self._logits, self.asked = logits, 0

    def logits(self) -> torch.Tensor:
        self.asked += 1
        return self._logits

    def look(self, regions: Regions) -> torch.Tensor:
        raise AssertionError("a method that is measured asked for a look of CLIP")


class Epoch:
    """A trainer with one method, past the method's warm-up; calling it runs one more epoch."""

    def __init__(self, name: MethodName, pictures: StoredPictures) -> None:
        torch.manual_seed(0)
        config = make_config(name, epochs=1000)
        network, plan = create_network(config, CLASSES)
        self.trainer = Trainer(
            network, start_method(config, len(pictures)), pictures,
            preprocess=plan.preprocess, config=config, device=torch.device("cpu"),
        )  # fmt: skip
        self.trainer.epoch = 10
        # Any logits will do for the work on the labels: the pass that makes them is timed apart.
        draws = torch.Generator().manual_seed(1)
        self.logits = torch.randn(len(pictures), CLASSES, generator=draws)

    def __call__(self) -> None:
        trainer, method = self.trainer, self.trainer.method
        trainer.train_epoch()
        method.after_epoch(trainer.epoch, GivenLogits(self.logits))


class Against:
    """Runs a `fixed` epoch, then the other side, and keeps the CPU seconds of both."""

    def __init__(self, fixed: Callable[[], object], other: Callable[[], object]) -> None:
        self.fixed, self.other = fixed, other
        self.forget()

    def __call__(self) -> None:
        start = process_time()
        self.fixed()
        between = process_time()
        self.other()
        self.fixed_seconds.append(between - start)
        self.seconds.append(process_time() - between)

    def forget(self) -> None:
        self.fixed_seconds: list[float] = []
        self.seconds: list[float] = []

    @property
    def ratio(self) -> float:
        return median_ratio(self.seconds, self.fixed_seconds)

    @property
    def error(self) -> float:
        """Standard error of the ratio, as the median of values that scatter normally has it."""
        ratios = [a / b for a, b in zip(self.seconds, self.fixed_seconds, strict=True)]
        return 1.253 * stdev(ratios) / math.sqrt(len(ratios))


class OwnWork:
    """An epoch's losses, gradients and label revision, on logits that no network made."""

    def __init__(self, name: MethodName, pictures: int) -> None:
        self.method = start_method(make_config(name, epochs=1000), pictures)
        self.draws = torch.Generator().manual_seed(0)
        self.logits = torch.randn(pictures, CLASSES, generator=self.draws)
        self.batches = torch.split(torch.arange(pictures), BATCH)
        self.epoch = 10
        self.seconds: list[float] = []

    def __call__(self) -> None:
        start, self.epoch = process_time(), self.epoch + 1
        for indices in self.batches:
            step = Step(
                logits=self.logits[indices].requires_grad_(),
                indices=indices,
                epoch=self.epoch,
                images=torch.empty(0),
                network=_no_network,
                another_view=lambda: torch.empty(0),
                draws=self.draws,
            )
            self.method.loss(step).backward()  # type: ignore[no-untyped-call]
        self.method.after_epoch(self.epoch, GivenLogits(self.logits))
        self.seconds.append(process_time() - start)


def _no_network(images: torch.Tensor) -> torch.Tensor:
    raise AssertionError("a method that is held to the bar asked for a second pass")


def report(
    name: MethodName, pair: Against, pass_share: float, own_share: float | None
) -> dict[str, Any]:
    """How the epochs of a method compare with those of `fixed`."""
    method = start_method(make_config(name, epochs=RUN_EPOCHS), BATCH)
    ended = GivenLogits(torch.zeros(method.targets.shape))
    for epoch in range(1, RUN_EPOCHS + 1):
        method.after_epoch(epoch, ended)
    passes = ended.asked
    found: dict[str, Any] = {
        "over_fixed": round(pair.ratio, 3),
        "standard_error": round(pair.error, 3),
        "cpu_seconds_of_an_epoch": round(median(pair.seconds), 3),
        "passes_in_20_epochs": passes,
        "with_passes": round(pair.ratio + pass_share * passes / RUN_EPOCHS, 3),
    }
    if own_share is None:
        return {**found, "second_pass": SECOND_PASS[name]}
    return {**found, "own_work": round(own_share, 4), "within_bar": pair.ratio <= BAR}


def make_config(name: MethodName, *, epochs: int) -> TrainConfig:
    """The loop as `cdul-edge train` has it, at a rate that leaves the networks alike."""
    return TrainConfig(
        network="clip:demo", weights="none", height_px=SIZE_PX, width_px=SIZE_PX, method=name,
        method_settings={"relabel": False} if name == "ccd" else {}, epochs=epochs,
        batch_size=BATCH, learning_rate=1e-6, precision="fp32", shift=0.125, color=0.4, zoom_in=0.0,
    )  # fmt: skip


def start_method(config: TrainConfig, pictures: int) -> AnyMethod:
    """The method on labels as CLIP gives them: few likely classes a picture, all else unlikely."""
    draws = torch.Generator().manual_seed(0)
    cosines = 0.2 + 0.08 * torch.randn(pictures, CLASSES, generator=draws)
    return make_method(
        config,
        Supervision(
            scores=torch.softmax(cosines / 0.02, dim=1),
            observed=torch.zeros(pictures, CLASSES, dtype=torch.int8),
            cosines=cosines,
            hard=False,
            epochs=config.epochs,
        ),
    )


if __name__ == "__main__":
    main()

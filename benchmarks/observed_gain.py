"""What some true labels beside pseudo-labels bring to each method, where labels are good or biased.

A linear head learns on frozen features of EfficientNet-Lite0: half of the photographs with truth,
judged on the other half, so that a few seconds show what a method makes of its labels, and nothing
else differs. "Biased" labels are those of `evidence` with errors that the features explain (for
each class a random direction of their 40 main components, 4 logits wide): a network learns such
errors, as it learns those of a CLIP. Errors without a pattern would average out, and leave observed
labels nothing to add.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import timm
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.lite0 import NETWORK, write_weights
from benchmarks.photographs import DATA, Photographs, reported_columns
from benchmarks.real_world import SIMILARITIES
from benchmarks.record import record
from cdul_edge.labelling import ImportRequest, label
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.subset import choose_pictures
from cdul_edge.training.config import MethodName, TrainConfig
from cdul_edge.training.data.observed import simulate
from cdul_edge.training.methods import make_method
from cdul_edge.training.methods.base import Step, Supervision
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.metrics.bootstrap import estimate_mean
from cdul_edge_runtime.metrics.metrics import mean_average_precision
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.list_files import read_list

METHODS: tuple[MethodName, ...] = ("fixed", "cdul", "role", "plmcl", "g2netpl", "pu-mlc", "em")
LEVELS = ("10%", "50%")
WEIGHTS = (3.0, 10.0)  # of an observed entry, against 1 of another, under `fixed`
HALVES = tuple((seed, side) for seed in range(3) for side in (0, 1))
EPOCHS, BATCH, RATE = 20, 32, 3e-4
COMPONENTS, BIAS = 40, 4.0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class World:
    """N photographs with truth (N, C), their pseudo-labels, and what the network sees of them."""

    paths: tuple[str, ...]
    features: Tensor
    scores: Floats
    truth: npt.NDArray[np.int8]
    reported: list[int]

    def biased(self) -> World:
        """The same with pseudo-labels whose errors can be learned."""
        generator = np.random.default_rng(0)
        centered = self.features.numpy() - self.features.numpy().mean(axis=0)
        main = np.linalg.svd(centered, full_matrices=False)[0][:, :COMPONENTS]
        errors = main @ generator.standard_normal((COMPONENTS, self.truth.shape[1]))
        safe = np.clip(self.scores, 1e-4, 1 - 1e-4)
        logits = np.log(safe / (1 - safe)) + BIAS * errors / errors.std(axis=0)
        return replace(self, scores=(1 / (1 + np.exp(-logits))).astype(np.float32))


class End:
    """The end of an epoch of a linear head."""

    def __init__(self, head: nn.Module, features: Tensor) -> None:
        self._head, self._features = head, features

    @torch.no_grad()
    def logits(self) -> Tensor:
        answer: Tensor = self._head(self._features)
        return answer

    def look(self, regions: object) -> Tensor:
        raise NotImplementedError("there is no CLIP here")


def open_world(options: argparse.Namespace) -> World:
    """Labels of the cached CLIP outputs, truth, and features."""
    photographs = Photographs(options.data)
    similarities = options.data.parent / SIMILARITIES
    table = photographs.folder / "train_known.csv"
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "labels")
        label(ImportRequest(similarities, out), SilentConsole())
        every = PseudoLabels.read(out)
    chosen = choose_pictures(every, images=photographs.train, only=table).labels
    assert len(chosen.paths) == len(read_list(table))
    truth = read_truth(table).for_paths(chosen.paths, chosen.classes, chosen.folder)
    features = see(chosen.folder, chosen.paths, options.work / "features.npy")
    return World(chosen.paths, features, chosen.scores, truth, reported_columns(chosen.classes))


def see(root: Path, paths: Sequence[str], file: Path) -> Tensor:
    """(N, 1280) standardized features of the whole photographs at 224 px; kept in `file`."""
    if not file.is_file():
        network = timm.create_model(NETWORK, pretrained=False)
        network.load_state_dict(load_file(write_weights(file.parent / "lite0.safetensors")))
        network.reset_classifier(0)
        network.eval()
        rows = [_see(network, root, paths[at : at + 16]) for at in range(0, len(paths), 16)]
        np.save(file, torch.cat(rows).numpy())
    found = torch.from_numpy(np.load(file))
    return (found - found.mean(dim=0)) / (found.std(dim=0) + 1e-3)


@torch.no_grad()
def _see(network: nn.Module, root: Path, paths: Sequence[str]) -> Tensor:
    side = (224, 224)
    opened = [Image.open(root / path).convert("RGB").resize(side, 3) for path in paths]
    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in opened]))
    answer: Tensor = network(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1)
    return answer


def learn(
    world: World, method: MethodName, level: str | None, half: tuple[int, int], weight: float = 1.0
) -> float:
    """mAP of the reported classes on the half that was not learned from.

    Args:
        level: observed labels, as `simulate` names them; None is none.
        half: seed, and which half learns.
        weight: of observed entries, for `fixed` alone.
    """
    seed, side = half
    order = np.random.default_rng(seed).permutation(len(world.paths))
    parts = order[: len(order) // 2], order[len(order) // 2 :]
    own, others = parts[side], parts[1 - side]
    paths = [world.paths[row] for row in own]
    observed = np.zeros((len(own), world.truth.shape[1]), np.int8)
    if level is not None:
        observed = simulate(world.truth[own], level, seed=seed, paths=paths)
    known = Supervision(
        torch.from_numpy(world.scores[own]), torch.from_numpy(observed), None, False, EPOCHS
    )
    torch.manual_seed(seed)
    found = make_method(TrainConfig(method=method), known)
    loss = found.loss if weight == 1 else partial(weigh, known, weight)
    head = nn.Linear(world.features.shape[1], known.scores.shape[1])
    nn.init.normal_(head.weight, std=0.01)
    nn.init.constant_(head.bias, 0.0 if found.undecided else -np.log(observed.shape[1] - 1))
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=0.05)
    features, draws = world.features[own], torch.Generator().manual_seed(seed)
    steps = -(-len(own) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps * EPOCHS)
    for epoch in range(1, EPOCHS + 1):
        for rows in torch.randperm(len(own), generator=draws).tensor_split(steps):
            seen = features[rows] + 0.1 * torch.randn(features[rows].shape, generator=draws)
            step = Step(head(seen), rows, epoch, seen, head, partial(torch.clone, seen), draws)
            optimizer.zero_grad()
            loss(step).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        found.after_epoch(epoch, End(head, features))
    scores = End(head, world.features[others]).logits().numpy()
    return mean_average_precision(scores[:, world.reported], world.truth[others][:, world.reported])


def weigh(known: Supervision, weight: float, step: Step) -> Tensor:
    """The loss of `fixed`, with `weight` on what was observed."""
    weights = 1 + (weight - 1) * (step.rows(known.observed) != 0)
    return F.binary_cross_entropy_with_logits(step.logits, step.rows(known.targets), weights)


def measure(world: World) -> dict[str, Any]:
    """mAP without observed labels, and what each level adds, by method."""
    found: dict[str, Any] = {
        "labels_map": round(
            mean_average_precision(world.scores[:, world.reported], world.truth[:, world.reported]),
            1,
        )
    }
    start = {name: [learn(world, name, None, half) for half in HALVES] for name in METHODS}
    for name in METHODS:
        found[name] = {"none": round(float(np.mean(start[name])), 1)}
        for level in LEVELS:
            found[name][level] = gain(start[name], [learn(world, name, level, h) for h in HALVES])
        print(name, found[name], flush=True)
    for weight in WEIGHTS:
        maps = [learn(world, "fixed", "10%", half, weight) for half in HALVES]
        found[f"fixed, observed weigh {weight:g}"] = {"10%": gain(start["fixed"], maps)}
    return found


def gain(before: Sequence[float], after: Sequence[float]) -> dict[str, float]:
    """Points gained, and half the width of the 95 % interval of their mean over the halves."""
    mean = estimate_mean([b - a for a, b in zip(before, after, strict=True)])
    return {"gain": round(mean.value, 2), "half_interval": round(mean.high - mean.value, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "observed-gain"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        world = open_world(options)
    except CdulEdgeError as error:
        print(f"observed_gain: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    figures = {"evidence labels": measure(world), "biased labels": measure(world.biased())}
    record("observed_gain", figures, threads=options.threads)


if __name__ == "__main__":
    main()

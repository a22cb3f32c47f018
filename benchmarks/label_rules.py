"""Which rule makes a student of free labels better than the labels as they are: a quick answer.

A linear head on the frozen features of an EfficientNet-Lite0 stands in for the student: it learns
the free labels of the photographs that have no truth, and is judged on those that have, in the
eight reported classes. Every rule has the best of the same strengths of weight decay, on the judged
photographs themselves: what is compared is rules at their best, not students. `labels_mAP` is that
of the judged photographs' labels as a rule makes them. Features take minutes; `--features` keeps
them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import timm
import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.lite0 import NETWORK, write_weights
from benchmarks.photographs import DATA, Photographs, reported_columns
from benchmarks.record import record
from cdul_edge.labelling import ImportRequest, label
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.data.augmentation import to_network
from cdul_edge.training.methods.distill import distill
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import StderrConsole
from cdul_edge_runtime.metrics.bootstrap import estimate_mean_gain
from cdul_edge_runtime.metrics.metrics import mean_average_precision
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import find_images, open_image
from cdul_edge_runtime.pictures.preprocess import Preprocess

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

DECAYS = (0.03, 0.1, 0.2, 0.3)
FLOOR = 1e-3
FOLDS = 5
NEIGHBORS = 10


@dataclass(frozen=True)
class Set:
    """The photographs as a rule sees them.

    Attributes:
        features: (N, F) standardized.
        latents: (N, C) logits of the labels.
        doubt: (N, C) in [0, 1]: how far a class's best snippet and the whole picture disagree, as a
            rank among all pictures.
    """

    features: Floats
    latents: Floats
    doubt: Floats

    def take(self, rows: Mask) -> Set:
        """Some of the pictures."""
        return Set(self.features[rows], self.latents[rows], self.doubt[rows])


@dataclass(frozen=True)
class Rule:
    """Labels that a rule makes, and how the head learns them."""

    relabel: Callable[[Set], Floats] = lambda known: known.latents
    temperature: float = 1.0
    floor: float = FLOOR


def expit(latents: Floats) -> Floats:
    """Scores of logits."""
    return np.asarray(1 / (1 + np.exp(-latents)))


def logit(scores: Floats | float) -> Floats:
    """Logits of scores in (0, 1)."""
    return np.asarray(np.log(scores) - np.log1p(-np.asarray(scores)))


def fit(known: Set, latents: Floats, temperature: float, decay: float) -> tuple[Floats, Floats]:
    """Weights (F, C) and biases (C,) of a linear head: `distill` plus the decay, by L-BFGS."""
    x = torch.from_numpy(known.features.astype(np.float32))
    labels = torch.from_numpy(expit(latents).astype(np.float32))
    weights = torch.zeros(x.shape[1], labels.shape[1], requires_grad=True)
    biases = torch.logit(labels.mean(dim=0)).requires_grad_()
    solver = torch.optim.LBFGS([weights, biases], max_iter=50, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        fault = labels.shape[1] * distill(x @ weights + biases, labels, temperature)
        total = fault + decay * weights.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    solver.step(loss)  # type: ignore[no-untyped-call]
    return weights.detach().numpy().astype(float), biases.detach().numpy().astype(float)


def answer(head: tuple[Floats, Floats], features: Floats) -> Floats:
    """Logits (N, C)."""
    return features @ head[0] + head[1]


def out_of_fold(known: Set) -> Floats:
    """Logits (N, C) of heads that have not seen a picture's own label."""
    found = np.empty_like(known.latents)
    places = np.random.default_rng(0).permutation(len(found)) % FOLDS
    for fold in range(FOLDS):
        others = known.take(places != fold)
        head = fit(others, others.latents, 1.0, 0.1)
        found[places == fold] = answer(head, known.features[places == fold])
    return found


def mix(share: float, *, where_in_doubt: bool = False) -> Callable[[Set], Floats]:
    """The labels' logits with a share of the out-of-fold head's."""

    def relabel(known: Set) -> Floats:
        own = share * known.doubt if where_in_doubt else np.full_like(known.latents, share)
        return known.latents + own * (out_of_fold(known) - known.latents)

    return relabel


def smooth_by_neighbors(share: float) -> Callable[[Set], Floats]:
    """The labels' logits with a share of the mean over the nearest pictures, by cosine."""

    def relabel(known: Set) -> Floats:
        unit = known.features / np.linalg.norm(known.features, axis=1, keepdims=True)
        near = unit @ unit.T
        np.fill_diagonal(near, -np.inf)
        nearest = np.argsort(-near, axis=1)[:, :NEIGHBORS]
        said = known.latents[nearest].mean(axis=1)
        return np.asarray(known.latents + share * (said - known.latents))

    return relabel


def ask_the_other_classes(share: float) -> Callable[[Set], Floats]:
    """Add what a regression on the other classes' labels says of each class."""

    def relabel(known: Set) -> Floats:
        labels = expit(known.latents)
        said = np.empty_like(labels)
        for column in range(labels.shape[1]):
            others = np.delete(labels - labels.mean(axis=0), column, axis=1)
            one = Set(others, known.latents[:, [column]], known.doubt[:, [column]])
            said[:, column] = answer(fit(one, one.latents, 1.0, 1e-3), others)[:, 0]
        return np.asarray(known.latents + share * (said - logit(labels.mean(axis=0))))

    return relabel


def round_labels(known: Set) -> Floats:
    """0 and 1, at the floor."""
    return np.where(known.latents >= 0, logit(1 - FLOOR), logit(FLOOR))


RULES: Mapping[str, Rule] = {
    "fixed": Rule(),
    "rounded": Rule(round_labels),
    "fixed, floor 0.05": Rule(floor=0.05),
    **{
        f"distill, temperature {warm}, floor {floor:g}": Rule(temperature=warm, floor=floor)
        for warm in (2, 4, 8)
        for floor in (0.001, 0.02, 0.05)
    },
    "student's own, share 0.3": Rule(mix(0.3)),
    "student's own, share 0.6": Rule(mix(0.6)),
    "student's own where snippets disagree, share 0.6": Rule(mix(0.6, where_in_doubt=True)),
    "neighbors, share 0.2": Rule(smooth_by_neighbors(0.2)),
    "neighbors, share 0.4": Rule(smooth_by_neighbors(0.4)),
    "other classes, share 0.3": Rule(ask_the_other_classes(0.3)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA.parent)
    parser.add_argument("--features", type=Path, required=True, help="NPZ file, made if not there")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        figures = measure(options.data, options.features)
    except CdulEdgeError as error:
        sys.exit(f"label_rules: {error}")
    record("label_rules", figures, threads=options.threads)


def measure(data: Path, file: Path) -> dict[str, object]:
    """The figures of every rule; points of mAP, and gains over `fixed` with 95 % intervals."""
    photographs = Photographs(data / "voc2012-photos")
    pictures = find_images(photographs.train)
    labels, doubt = _make_labels(data / "voc2012-clip-rn50x64" / "similarities.npz")
    rows = [labels.paths.index(Path(path).stem) for path in pictures.paths]
    table = read_truth(photographs.folder / "train_known.csv")
    truth = table.for_paths(pictures.paths, labels.classes, pictures.root)
    judged = np.asarray((truth >= 0).all(axis=1))
    features = _read_features(file, photographs)
    features = (features - features[~judged].mean(axis=0)) / (features[~judged].std(axis=0) + 1e-6)
    latents = logit(np.clip(labels.scores[rows].astype(float), FLOOR, 1 - FLOOR))
    everything = Set(features, latents, doubt[rows])
    columns = reported_columns(labels.classes)
    facts, scores = truth[judged][:, columns], {}
    found: dict[str, object] = {}
    for name, rule in RULES.items():
        best, decay = _best(rule, everything, judged, columns, facts)
        scores[name] = best
        gain = estimate_mean_gain([best], [scores["fixed"]], facts)
        made = rule.relabel(everything)[judged][:, columns]
        found[name] = {
            "mAP": round(mean_average_precision(best, facts), 2),
            "gain": [round(value, 2) for value in (gain.value, gain.low, gain.high)],
            "decay": decay,
            "labels_mAP": round(mean_average_precision(made, facts), 2),
        }
        print(name, found[name], flush=True)
    return {"learned": int((~judged).sum()), "judged": int(judged.sum()), "rules": found}


def _best(
    rule: Rule, everything: Set, judged: Mask, columns: list[int], facts: npt.NDArray[np.int8]
) -> tuple[Floats, float]:
    """Scores (J, 8) of the judged pictures at the best decay, and that decay."""
    known = everything.take(~judged)
    limit = float(logit(1 - rule.floor))
    latents = np.clip(rule.relabel(known), -limit, limit)
    shown = everything.features[judged]
    tried = []
    for decay in DECAYS:
        scores = answer(fit(known, latents, rule.temperature, decay), shown)[:, columns]
        tried.append((mean_average_precision(scores, facts), decay, scores))
    _, decay, scores = max(tried, key=lambda one: one[0])
    return scores, decay


def _make_labels(similarities: Path) -> tuple[PseudoLabels, Floats]:
    """The default labels of all rows, and their doubt (N, C)."""
    with tempfile.TemporaryDirectory() as folder:
        label(ImportRequest(similarities, Path(folder) / "labels"), StderrConsole())
        labels = PseudoLabels.read(Path(folder) / "labels")
    with np.load(similarities) as stored:
        order = np.argsort(np.argsort(labels.paths))
        whole, best = (
            _standardize(np.log(stored[name])) for name in ("global_softmax", "local_max_softmax")
        )
        assert list(stored["names"][order]) == list(labels.paths)
    doubt = np.abs(best - whole)[order]
    return labels, doubt.argsort(axis=0).argsort(axis=0) / len(doubt)


def _standardize(cosines: Floats) -> Floats:
    centered = cosines - cosines.mean(axis=1, keepdims=True)
    return np.asarray((centered - centered.mean(axis=0)) / centered.std(axis=0))


def _read_features(file: Path, photographs: Photographs) -> Floats:
    """(N, 1280) pooled features of the training photographs, made if the file is not there."""
    pictures = find_images(photographs.train)
    if not file.is_file():
        np.savez(file, features=_make_features(photographs))
    features = np.load(file)["features"].astype(float)
    if len(features) != len(pictures):
        raise CdulEdgeError(
            f"{file} holds features of {len(features)} pictures, expected {len(pictures)}: name "
            "another file"
        )
    return np.asarray(features)


@torch.inference_mode()
def _make_features(photographs: Photographs) -> npt.NDArray[np.float32]:
    network = timm.create_model(NETWORK, pretrained=False)
    with tempfile.TemporaryDirectory() as folder:
        network.load_state_dict(load_file(write_weights(Path(folder) / "lite0.safetensors")))
    network.reset_classifier(0)
    network.eval()
    half = (0.5, 0.5, 0.5)
    preprocess = Preprocess(224, 224, interpolation="bicubic", mean=half, std=half)
    pictures = find_images(photographs.train)
    found = []
    for number in range(len(pictures)):
        pixels = preprocess.apply(open_image(pictures.absolute(number)))
        found.append(network(to_network(torch.from_numpy(pixels)[None], preprocess))[0].numpy())
    return np.stack(found)


if __name__ == "__main__":
    main()

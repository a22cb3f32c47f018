"""What the tiny CLIP is worth: on fresh single things, and on scenes of the drawn world.

The scenes are painted, saved as JPEG and read again, as `cdul-edge label` meets them. Views are the
whole picture and its 3x3 tiles; scores are softmax over the classes at the learned temperature.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.record import record
from cdul_edge.clip.models import LoadedClip, load_clip
from cdul_edge.demo.world import CLASS_NAMES, paint_single, paint_world, picture_seed
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.metrics.metrics import evaluate_scores
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import open_image

PROMPT = "a photo of a {}"
GRID = 3
SIGHTINGS = (0.2, 0.5)  # zeta of CDUL's equation 5
Floats = NDArray[np.float32]


def class_texts(clip: LoadedClip) -> torch.Tensor:
    """(C, D) unit embeddings of the prompts."""
    tokens = clip.tokenize([PROMPT.format(name) for name in CLASS_NAMES])
    encode: Any = clip.model.encode_text
    features: torch.Tensor = encode(tokens, normalize=True)
    return features


def score_views(clip: LoadedClip, texts: torch.Tensor, views: list[Image.Image]) -> Floats:
    """(V, C) softmax over the classes, one row a view, each squashed to the network's square."""
    size = (clip.image_size_px, clip.image_size_px)
    squares = [np.asarray(view.resize(size, Image.Resampling.BICUBIC)) for view in views]
    pixels = np.stack(squares).astype(np.float32) / 255
    standardized = (pixels - np.array(clip.mean, np.float32)) / np.array(clip.std, np.float32)
    encode: Any = clip.model.encode_image
    features = encode(torch.from_numpy(standardized).permute(0, 3, 1, 2), normalize=True)
    logits = clip.logit_scale * features @ texts.T
    return np.asarray(logits.softmax(dim=1), dtype=np.float32)


def measure_singles(clip: LoadedClip, texts: torch.Tensor, count: int) -> dict[str, float]:
    """Zero-shot accuracy in percent on things that no training run has seen."""
    accuracy = {}
    for name, chance in (("alone", 0.0), ("with_companions", 1.0)):
        pictures = [
            paint_single(picture_seed(1, "clip-check", index), companion_chance=chance)
            for index in range(count)
        ]
        scores = score_views(clip, texts, [Image.fromarray(p.image) for p in pictures])
        truth = np.array([picture.class_index for picture in pictures])
        accuracy[name] = round(100 * float((scores.argmax(axis=1) == truth).mean()), 2)
    return accuracy


def measure_scenes(
    clip: LoadedClip, texts: torch.Tensor, *, count: int, seed: int
) -> dict[str, Any]:
    """mAP in percent of each way to turn ten views into scores."""
    classes = ClassList(CLASS_NAMES)
    with tempfile.TemporaryDirectory() as folder:
        world = paint_world(Path(folder, "world"), train=count, heldout=1, seed=seed)
        paths = sorted(world.train.iterdir())
        truth = read_truth(world.train_truth).for_paths([f"train/{p.name}" for p in paths], classes)
        scores = np.stack([score_views(clip, texts, cut_views(open_image(p))) for p in paths])
    thresholds = np.full(len(classes), 0.5, dtype=np.float32)
    reports = {
        way: evaluate_scores(merged, truth, classes, thresholds)
        for way, merged in merge_views(scores).items()
    }
    return {
        "seed": seed,
        "scenes": count,
        "labels_a_scene": round(float(truth.sum(axis=1).mean()), 3),
        "map": {way: round(report.map, 2) for way, report in reports.items()},
        "prevalence": dict(zip(classes, truth.mean(axis=0).round(3).tolist(), strict=True)),
        "ap_of_cdul_0.5": {name: round(ap, 1) for name, ap in reports["cdul_0.5"].ap.items()},
    }


def cut_views(picture: Image.Image) -> list[Image.Image]:
    """The whole picture, then its tiles row by row."""
    edges = [round(k * picture.width / GRID) for k in range(GRID + 1)]
    spans = list(pairwise(edges))
    tiles = [
        picture.crop((left, top, right, bottom)) for top, bottom in spans for left, right in spans
    ]
    return [picture, *tiles]


def merge_views(scores: Floats) -> dict[str, Floats]:
    """(N, V, C) scores of views to (N, C) by each way to merge them."""
    whole, tiles = scores[:, 0], scores[:, 1:]
    best, worst = tiles.max(axis=1), tiles.min(axis=1)
    ways = {"global": whole, "tiles_max": best, "global_and_max": (whole + best) / 2}
    for sighting in SIGHTINGS:
        local = np.where(best >= sighting, best, worst)
        ways[f"cdul_{sighting}"] = (whole + local) / 2
    return ways


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clip", default="demo", help="demo, or a folder of train_clip")
    parser.add_argument("--scenes", type=int, default=1_500)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    clip = load_clip(options.clip)
    texts = class_texts(clip)
    worlds = [
        measure_scenes(clip, texts, count=options.scenes, seed=seed)
        for seed in range(options.seeds)
    ]
    maps = [world["map"] for world in worlds]
    figures = {
        "clip": clip.description,
        "logit_scale": round(clip.logit_scale, 3),
        "prompt": PROMPT,
        "accuracy_percent": measure_singles(clip, texts, 2_000),
        "map_mean": {way: round(float(np.mean([m[way] for m in maps])), 2) for way in maps[0]},
        "worlds": worlds,
    }
    record("demo_clip", figures, threads=options.threads)


if __name__ == "__main__":
    main()

"""Labeling from files to stored similarities, against CLIP's bare forward and a plain loop.

Three sides take turns on the same pictures:

* `cdul-edge label`'s own path: decoding processes, batches across pictures, encoder, store;
* the bare forward: open_clip's `encode_image` on the same views, already in memory as normalized
  float32 in channels_last, in the batch size that is fastest for it, on all threads;
* the plain loop that most scripts use: open a picture, ten crops, open_clip's preprocess, one
  forward a picture.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image

from benchmarks.filled_store import open_filler
from benchmarks.record import interleave, median_ratio, record
from cdul_edge.clip.models import load_clip
from cdul_edge.demo.world import CLASS_NAMES, paint_world
from cdul_edge.labelling import LabelRequest, Views
from cdul_edge.labelling.decode.picture_reader import PictureReader
from cdul_edge.labelling.encode.encoder import ClipEncoder
from cdul_edge.labelling.encode.prompts import Prompts
from cdul_edge.sources.files import LocalFiles
from cdul_edge.sources.source import SourcePicture
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.pictures.images import PictureList, find_images
from cdul_edge_runtime.pictures.preprocess import Preprocess

PHOTOS = Path(__file__).parents[2] / "shared" / "data" / "photos"
VIEWS = Views()
BARE_BATCHES = (10, 40, 80, 160, 320, 640)


@dataclass(frozen=True)
class Case:
    """A CLIP and the pictures it labels; `bare_views` views are enough to time its forward."""

    clip: str
    pretrained: str | None
    pictures: PictureList
    bare_views: int


def measure(case: Case, threads: int, repeats: int) -> dict[str, Any]:
    """Pictures a second of each side, medians, and the median ratios of the turns."""
    torch.set_num_threads(threads)
    bare, batch = _bare_forward(case)
    with tempfile.TemporaryDirectory() as folder:
        sides: dict[str, Callable[[], object]] = {
            "labelling": _labelling(case, threads, Path(folder)),
            "bare_forward": bare,
            "plain_loop": _plain_loop(case),
        }
        for side in sides.values():  # warm up
            side()
        seconds = interleave(sides, repeats)
    count = len(case.pictures)
    pictures = {
        "labelling": count,
        "bare_forward": case.bare_views / VIEWS.count,
        "plain_loop": _plain_count(case),
    }
    each = {name: [s / pictures[name] for s in found] for name, found in seconds.items()}
    return {
        "clip": f"{case.clip} {case.pretrained or ''}".strip(),
        "pictures": count,
        "bare_batch_views": batch,
        "pictures_per_s": {name: round(1 / median(found), 3) for name, found in each.items()},
        "labelling_over_bare_forward": round(
            median_ratio(each["bare_forward"], each["labelling"]), 3
        ),
        "labelling_over_plain_loop": round(median_ratio(each["plain_loop"], each["labelling"]), 3),
        "seconds": {name: [round(s, 3) for s in found] for name, found in seconds.items()},
    }


def _labelling(case: Case, threads: int, folder: Path) -> Callable[[], None]:
    clip = load_clip(case.clip, case.pretrained)
    encoder = ClipEncoder(clip, "cpu", threads=threads)
    classes = ClassList(CLASS_NAMES)
    prompts = Prompts(classes, tuple((name,) for name in classes))
    request = LabelRequest(
        images=case.pictures.root,
        classes=Path(),
        out=folder,
        clip=case.clip,
        pretrained=case.pretrained,
        workers=threads,
        threads=threads,
    )
    fill, _ = open_filler(request, case.pictures, prompts, encoder, clip.description)

    def run() -> None:
        shutil.rmtree(folder / "similarities", ignore_errors=True)
        fill()

    return run


def _bare_forward(case: Case) -> tuple[Callable[[], None], int]:
    """The forward over ready tensors, in its own best batch size."""
    clip = load_clip(case.clip, case.pretrained)
    model: Any = clip.model
    model.visual.to(memory_format=torch.channels_last)
    side = clip.image_size_px
    preprocess = Preprocess(side, side, "squash", "bicubic", clip.mean, clip.std)
    reader = PictureReader(LocalFiles(case.pictures.root), VIEWS, preprocess)
    count = case.bare_views // VIEWS.count
    slot = np.empty(reader.shape(count), np.uint8)
    reader.read_batch(tuple(map(SourcePicture, case.pictures.paths[:count])), slot)
    pixels = torch.from_numpy(slot.reshape(-1, side, side, 3)).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) * 255 for v in (clip.mean, clip.std))
    images = ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run(batch: int) -> None:
        for views in torch.split(images, batch):
            model.encode_image(views)

    batches = [size for size in BARE_BATCHES if size <= case.bare_views]
    run(batches[0])
    taken: dict[int, float] = {}
    for size in batches:
        start = perf_counter()
        run(size)
        taken[size] = perf_counter() - start
    best = min(batches, key=lambda size: taken[size])
    return (lambda: run(best)), best


def _plain_count(case: Case) -> int:
    return min(len(case.pictures), case.bare_views // VIEWS.count)


def _plain_loop(case: Case) -> Callable[[], None]:
    clip = load_clip(case.clip, case.pretrained)
    model: Any = clip.model
    preprocess = open_clip.image_transform(
        clip.image_size_px, is_train=False, mean=clip.mean, std=clip.std
    )

    @torch.inference_mode()
    def run() -> None:
        for index in range(_plain_count(case)):
            with Image.open(case.pictures.absolute(index)) as file:
                picture = file.convert("RGB")
            crops = [picture.crop(box) for box in VIEWS.boxes(picture.width, picture.height)]
            batch = torch.stack([preprocess(crop) for crop in crops])
            model.encode_image(batch)

    return run


def _copy_photos(folder: Path, copies: int) -> PictureList:
    for index in range(copies):
        for photo in sorted(PHOTOS.glob("*.jpg")):
            shutil.copyfile(photo, folder / f"{photo.stem}-{index}.jpg")
    return find_images(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scenes", type=int, default=2_000)
    parser.add_argument("--photo-copies", type=int, default=4)
    options = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        world = paint_world(Path(folder, "world"), train=options.scenes, heldout=1, seed=0)
        scenes = Case("demo", None, find_images(world.train), 6_400)
        figures["demo"] = measure(scenes, options.threads, options.repeats)
    with tempfile.TemporaryDirectory() as folder:
        photos = _copy_photos(Path(folder), options.photo_copies)
        case = Case("RN50", "none", photos, 80)
        figures["RN50"] = measure(case, options.threads, options.repeats)
    for name, found in figures.items():
        print(name, {k: v for k, v in found.items() if k != "seconds"})
    record("labelling", figures, threads=options.threads)


if __name__ == "__main__":
    main()

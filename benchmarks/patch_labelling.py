"""Labeling by patches, one forward pass a picture, against ten views of it, with the same ViT.

Both sides go from files to scores through `cdul-edge label`'s own decoder, encoder, store and
scoring; ViT-B/16 has random weights, which cost what trained ones do. Beside them: the cheap half
alone on a larger store, and floating-point operations a picture, from open_clip's own table
(docs/model_profile.csv there: fvcore's count, two operations a multiply-add).
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.filled_store import open_filler
from benchmarks.record import interleave, median_ratio, record
from cdul_edge.clip.files import ClipDescription
from cdul_edge.clip.models import load_clip
from cdul_edge.demo.world import CLASS_NAMES
from cdul_edge.labelling import LabelRequest, Scoring, WholePicture
from cdul_edge.labelling.encode.encoder import ClipEncoder
from cdul_edge.labelling.encode.patch_encoder import PatchEncoder
from cdul_edge.labelling.encode.prompts import Prompts
from cdul_edge.labelling.score.aggregation import Aggregation
from cdul_edge.labelling.score.patches.patch_scores import PatchScoring
from cdul_edge.labelling.store.parts import (
    EMBEDDINGS_FOLDER,
    Part,
    part_name,
    read_part,
    slice_parts,
    write_part,
)
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge.labelling.store.reader import StoreReader
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.pictures.images import PictureList, find_images

PHOTOS = Path(__file__).parents[2] / "shared" / "data" / "photos"
CLIP = "ViT-B-16"
TEMPERATURE = 0.01

# open_clip's docs/model_profile.csv, column image_gflops
PUBLISHED_GFLOPS = {"ViT-B-16": 35.13, "RN50x64": 529.11}
PAPER_VIEWS = 10  # CDUL: the picture and nine snippets, through RN50x64


def run_labelling(
    encoder: ClipEncoder, clip: ClipDescription, pictures: PictureList, threads: int, folder: Path
) -> Callable[[], None]:
    """From files to scores."""
    names = ClassList(CLASS_NAMES)
    prompts = Prompts(names, tuple((name,) for name in names))
    patches = isinstance(encoder, PatchEncoder)
    request = LabelRequest(
        images=pictures.root,
        classes=Path(),
        out=folder,
        clip=CLIP,
        pretrained="none",
        scoring=Scoring("patches" if patches else "cdul"),
        workers=threads,
        threads=threads,
    )
    fill, parts = open_filler(request, pictures, prompts, encoder, clip)

    def run() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        fill()
        if patches:
            _score_patches(StoreReader(folder, parts), tuple(CLASS_NAMES))
        else:
            for index in range(parts):
                cosines = read_part(folder / part_name(index), "cosines").values
                Aggregation(TEMPERATURE).scores(cosines)

    return run


def _score_patches(store: StoreReader, classes: tuple[str, ...]) -> None:
    fitted = PatchScoring(TEMPERATURE).fit(store, classes)
    for index in range(store.parts):
        fitted.apply(store, index)


def time_scoring(pictures: int, classes: int, folder: Path) -> dict[str, Any]:
    """The cheap half alone, over a store as ViT-B/16 fills it, of random vectors."""
    rng = np.random.default_rng(0)
    parts = slice_parts(pictures, WholePicture.part_pictures)
    texts = _units(rng.normal(size=(classes, 512)))
    for index, places in enumerate(parts):
        values = _units(rng.normal(size=(len(places), 197, 512))).astype(np.float16)
        stored = tuple(StoredPicture(f"{place}.jpg", 500, 500) for place in places)
        cosines = values.astype(np.float32) @ texts.T
        for name, column, found in (
            (part_name(index, EMBEDDINGS_FOLDER), "embeddings", values),
            (part_name(index), "cosines", cosines),
        ):
            part = Part(stored, found)
            write_part(folder / name, part, column, "")
    size = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
    start = perf_counter()
    _score_patches(StoreReader(folder, len(parts)), tuple(str(i) for i in range(classes)))
    seconds = perf_counter() - start
    return {
        "pictures": pictures,
        "classes": classes,
        "pictures_per_s": round(pictures / seconds),
        "store_kib_a_picture": round(size / pictures / 1024, 1),
    }


def count_gflops(width: int = 768, patches: int = 196, embedding: int = 512) -> dict[str, float]:
    """GFLOPs a picture of the paper's labeling and of ours; the defaults are ViT-B/16's.

    Beside the ordinary forward, patches cost in the last block query, key, value and output
    projections, two attentions, and each the projection to the embedding.
    """
    tokens = patches + 1
    extra = 4 * tokens * width**2 + 2 * 2 * tokens**2 * width + patches * width * embedding
    paper = PAPER_VIEWS * PUBLISHED_GFLOPS["RN50x64"]
    ours = PUBLISHED_GFLOPS[CLIP] + 2 * extra / 1e9
    return {
        "paper_rn50x64_ten_views": round(paper, 1),
        "ten_views": PAPER_VIEWS * PUBLISHED_GFLOPS[CLIP],
        "patches": round(ours, 2),
        "patches_beyond_one_forward": round(2 * extra / 1e9, 2),
        "paper_over_patches": round(paper / ours, 1),
    }


def _units(vectors: np.ndarray) -> np.ndarray:
    found: np.ndarray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return found.astype(np.float32)


def _count_work(call: Callable[[], object], worked: list[float]) -> None:
    """Append the processor seconds of a call and its decoding processes: others' load is left out.

    The processes have ended, and been waited for, when the call returns.
    """
    before = sum(os.times()[:4])
    call()
    worked.append(sum(os.times()[:4]) - before)


def _copy_photos(folder: Path, copies: int) -> PictureList:
    for index in range(copies):
        for photo in sorted(PHOTOS.glob("*.jpg")):
            shutil.copyfile(photo, folder / f"{photo.stem}-{index}.jpg")
    return find_images(folder)


def measure(threads: int, repeats: int, copies: int) -> dict[str, Any]:
    """Both sides in turns; the medians, and the median ratio of the turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "photos").mkdir()
        pictures = _copy_photos(folder / "photos", copies)
        if not len(pictures):
            raise SystemExit(f"no photos in {PHOTOS}")
        sides: dict[str, Callable[[], object]] = {}
        for side, kind in (("patches", PatchEncoder), ("ten_views", ClipEncoder)):
            clip = load_clip(CLIP, "none")
            encoder = kind(clip, "cpu", threads=threads)
            sides[side] = run_labelling(encoder, clip.description, pictures, threads, folder / side)
        for call in sides.values():  # warm up
            call()
        worked: dict[str, list[float]] = {side: [] for side in sides}
        seconds = interleave(
            {side: partial(_count_work, call, worked[side]) for side, call in sides.items()},
            repeats,
        )
    return {
        "clip": f"{CLIP} with random weights",
        "pictures": len(pictures),
        "pictures_per_s": {
            side: round(len(pictures) / median(found), 3) for side, found in seconds.items()
        },
        "patches_over_ten_views": round(median_ratio(seconds["ten_views"], seconds["patches"]), 2),
        "ten_views_over_patches_in_cpu_seconds": round(
            median_ratio(worked["ten_views"], worked["patches"]), 2
        ),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "cpu_seconds": {side: [round(s, 2) for s in found] for side, found in worked.items()},
        "seconds": {side: [round(s, 3) for s in found] for side, found in seconds.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--photo-copies", type=int, default=2)
    parser.add_argument("--store-pictures", type=int, default=1024)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scoring = time_scoring(options.store_pictures, 20, Path(folder))
    figures = {
        "gflops_a_picture": count_gflops(),
        "scoring_alone": scoring,
        "labelling": measure(options.threads, options.repeats, options.photo_copies),
    }
    for name, found in figures.items():
        print(name, {k: v for k, v in found.items() if k not in ("seconds", "cpu_seconds")})
    record("patch_labelling", figures, threads=options.threads)


if __name__ == "__main__":
    main()

"""What labeling costs per picture: operations, processor time, and bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measured_rows.figures import Figure, Measured, stated
from benchmarks.measured_rows.row import Setting
from cdul_edge.clip.models import LoadedClip, load_clip
from cdul_edge.labelling.decode.views import Views, WholePicture, cut_views
from cdul_edge.labelling.encode.open_encoder import ENCODERS
from cdul_edge.labelling.store.parts import Part, write_part
from cdul_edge.labelling.store.pictures import Content, StoredPicture
from cdul_edge.labels.settings import Kind
from cdul_edge_runtime.pictures.images import open_image
from cdul_edge_runtime.pictures.preprocess import Preprocess

CLASSES = 80
PHOTOS = 8
STORED = 64  # pictures of the part whose bytes are counted
_TREE = Path(__file__).parents[2]
_SHARED = _TREE.parent / "shared" / "data" / "photos"


@dataclass(frozen=True)
class Job:
    """A CLIP and what it is shown."""

    key: str
    clip: str
    kind: Kind
    views: Views | WholePicture

    @property
    def title(self) -> str:
        """For tables."""
        shown = "patches" if self.kind == "patches" else f"{self.views.count} views"
        return f"{self.clip}, {shown}"


JOBS = (
    Job("vit", "ViT-B-16", "patches", WholePicture()),
    Job("rn50x64", "RN50x64", "snippets", Views()),
)


def measure_costs(setting: Setting) -> Measured:
    """Operations are counted, processor time is of one thread; no GPU is used."""
    torch.set_num_threads(setting.threads)
    jobs = JOBS[:1] if setting.quick else JOBS
    notes = ("weights are random, which is as fast as trained ones",)
    return Measured(tuple(figure for job in jobs for figure in _measure(job, setting)), notes)


def _measure(job: Job, setting: Setting) -> Iterator[Figure]:
    clip = load_clip(job.clip, "none")
    operations = _operations(clip) * job.views.count  # before the encoder takes its layers over
    encoder = ENCODERS[job.kind](clip, "cpu", "fp32", setting.threads)
    side = encoder.image_size_px
    pixels = np.random.default_rng(0).integers(0, 256, (1, 1, side, side, 3), np.uint8)
    vectors = encoder.embed_views(pixels)
    yield stated(f"{job.key}-tflop", f"{job.title}: operations", "TFLOP", operations / 1e12)
    seconds = [_seconds(lambda: encoder.embed_views(pixels)) for _ in range(setting.rounds)]
    whole = [job.views.count * one for one in seconds]
    yield stated(f"{job.key}-encode", f"{job.title}: encoding on one core", "s", *whole)
    decode = [1000 * _decode_s(job, encoder.preprocess(job.views.fit)) for _ in seconds]
    yield stated(f"{job.key}-decode", f"{job.title}: decoding and cutting", "ms", *decode)
    width = vectors.shape[-1]
    sizes = {"cosines": (job.views.count * encoder.vectors_per_view, CLASSES)}
    if job.kind == "patches":
        sizes["embeddings"] = (encoder.vectors_per_view, width)
    stored = sum(_stored_bytes(column, shape) for column, shape in sizes.items()) / 1000
    yield stated(f"{job.key}-stored", f"{job.title}: stored, {CLASSES} classes", "kB", stored)


def _operations(clip: LoadedClip) -> float:
    """Floating-point operations of the image tower for one view."""
    # attention's fast path is one operation, which the counter does not know
    torch.backends.mha.set_fastpath_enabled(False)
    counter = FlopCounterMode(display=False)
    side = clip.image_size_px
    with torch.no_grad(), counter:
        clip.model.get_submodule("visual")(torch.zeros(1, 3, side, side))
    return float(counter.get_total_flops())


def _seconds(work: Callable[[], object]) -> float:
    began = process_time()
    work()
    return process_time() - began


def _decode_s(job: Job, preprocess: Preprocess) -> float:
    """Seconds per picture, the median over real photographs of 352 to 1280 px."""
    files = sorted(_SHARED.glob("*.jpg"))[:PHOTOS]
    if not files:
        raise FileNotFoundError(f"{_SHARED} holds no photographs to decode")
    out = np.empty((job.views.count, preprocess.height_px, preprocess.width_px, 3), np.uint8)

    def decode(file: Path) -> None:
        cut_views(open_image(file), job.views, preprocess, out)

    return median(_seconds(partial(decode, file)) for file in files)


def _stored_bytes(column: str, shape: tuple[int, int]) -> float:
    """Of a picture, in a part of a few with values that do not compress."""
    kind = np.float16 if column == "embeddings" else np.float32
    values = np.random.default_rng(0).standard_normal((STORED, *shape)).astype(kind)
    content = Content(100_000, 0, "0" * 32)
    pictures = tuple(
        StoredPicture(f"pictures/{number:012d}.jpg", 640, 480, content) for number in range(STORED)
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "part.parquet")
        write_part(file, Part(pictures, values), column, "0" * 64)
        return file.stat().st_size / STORED

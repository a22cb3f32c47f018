"""Labeling against the two things that can limit it: CLIP's bare forward, and decoding."""

from __future__ import annotations

import os
import random
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from benchmarks.gpu.step import Device
from cdul_edge.clip.choices import Precision
from cdul_edge.clip.models import LoadedClip
from cdul_edge.demo.pictures import CLASS_NAMES, paint_scene
from cdul_edge.labelling import LabelRequest, Scoring, label
from cdul_edge.labelling.decode.decoding import Work, open_decoder
from cdul_edge.labelling.decode.picture_reader import PictureReader
from cdul_edge.labelling.decode.views import Views
from cdul_edge.labelling.encode.encoder import ClipEncoder, choose_batch_pictures
from cdul_edge.labelling.encode.prompts import DEFAULT_TEMPLATE, Prompts
from cdul_edge.labelling.encode.queued import bring_pixels
from cdul_edge.sources.files import LocalFiles
from cdul_edge.sources.source import SourcePicture
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.console import Advance, SilentConsole
from cdul_edge_runtime.host.machine import usable_cores
from cdul_edge_runtime.pictures.images import find_images

# As in PASCAL VOC, and as many different ones as a processor's caches cannot hold.
SIZE_PX, DIFFERENT = (500, 375), 96
CLASSES = ClassList(CLASS_NAMES)


@dataclass(frozen=True)
class Case:
    """What labels what, on which device.

    Attributes:
        views: of each picture.
        clip: its name, as `load_clip` takes it; `loaded` is that CLIP.
        pictures: files that may be repeated.
        most: of a batch; None is what `label` takes.
    """

    clip: str
    pretrained: str | None
    loaded: LoadedClip
    device: Device
    views: Views
    pictures: tuple[Path, ...]
    most: int | None = None

    def encoder(self, precision: Precision = "auto") -> ClipEncoder:
        """CLIP on the device, as `label` has it."""
        return ClipEncoder(self.loaded.with_own_tower(), self.device, precision)

    def reader(self, encoder: ClipEncoder, root: Path) -> PictureReader:
        """How `label` decodes for it."""
        return PictureReader(LocalFiles(root), self.views, encoder.preprocess(self.views.fit))

    def batch(self, encoder: ClipEncoder) -> int:
        """Pictures that `label` encodes at once."""
        fitting = choose_batch_pictures(encoder.image_size_px, self.views.count, encoder.device)
        return self.most or fitting

    def pixels(self, encoder: ClipEncoder, count: int) -> npt.NDArray[np.uint8]:
        """(count, 1 + R, S, S, 3) decoded views."""
        root = self.pictures[0].parent
        names = [self.pictures[i % len(self.pictures)].name for i in range(count)]
        reader = self.reader(encoder, root)
        pixels = np.empty(reader.shape(count), np.uint8)
        reader.read_batch(tuple(map(SourcePicture, names)), pixels)
        return pixels


def write_pictures(folder: Path, count: int = DIFFERENT) -> tuple[Path, ...]:
    """Drawn scenes with a camera's grain, as JPEG files of a photograph's size."""
    folder.mkdir()
    rng, files = np.random.default_rng(0), []
    for number in range(count):
        scene = Image.fromarray(paint_scene(number).image).resize(SIZE_PX)
        grain = rng.normal(0, 6, (SIZE_PX[1], SIZE_PX[0], 1))
        pixels = np.clip(np.asarray(scene) + grain, 0, 255).astype(np.uint8)
        files.append(folder / f"{number:03}.jpg")
        Image.fromarray(pixels).save(files[-1], quality=90)
    return tuple(files)


def link_pictures(files: tuple[Path, ...], folder: Path, count: int) -> None:
    """Make a folder of `count` pictures out of few, in an order that repeats nothing near."""
    folder.mkdir()
    draws = random.Random(0)
    for number in range(count):
        os.link(draws.choice(files), folder / f"{number:06}.jpg")


def time_forward(case: Case, encoder: ClipEncoder, seconds: float) -> float:
    """Pictures a second of the bare forward: `label`'s batch, normalized and on the device."""
    count = case.batch(encoder)
    with torch.inference_mode():
        brought = bring_pixels([case.pixels(encoder, count)], case.device)
        images = encoder.normalize(brought)
        for _ in range(3 if case.device == "cuda" else 1):
            encoder.encode(images)
        rounds, taken = _repeat(lambda: encoder.encode(images), case.device, seconds)
    return count * rounds / taken


def _repeat(call: Callable[[], object], device: Device, seconds: float) -> tuple[int, float]:
    """How often it was called within about so many seconds, and how long that took.

    The device is waited for now and then only, as a loop that wants speed would.
    """
    wait_for(device)
    rounds, start = 0, perf_counter()
    while rounds == 0 or perf_counter() - start < seconds:
        for _ in range(5 if device == "cuda" else 1):
            call()
            rounds += 1
        wait_for(device)
    return rounds, perf_counter() - start


def wait_for(device: Device) -> None:
    """Until it has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def time_decoding(case: Case, encoder: ClipEncoder, folder: Path, seconds: float) -> float:
    """Pictures a second of the decoding processes alone, from their first answer on."""
    found = find_images(folder)
    piece = encoder.piece_pictures(case.batch(encoder))
    given = tuple(map(SourcePicture, found.paths))
    works = (Work(0, given[start : start + piece]) for start in range(0, len(given), piece))
    reader = case.reader(encoder, found.root)
    with open_decoder(reader, piece, usable_cores(), 1, SilentConsole()) as decoder:
        decoded, start = 0, None
        for batch in decoder.batches(works):
            decoder.release(batch)
            if start is None:
                start = perf_counter()
                continue
            decoded += len(batch.pictures)
            if perf_counter() - start >= seconds:
                break
        assert start is not None
        return decoded / (perf_counter() - start) if decoded else float("nan")


class _Clock(SilentConsole):
    """When pictures were labeled."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, int]] = []

    def progress(
        self, doing: str, total: int, *, done: int = 0, unit: str = "pictures"
    ) -> AbstractContextManager[Advance]:
        """Note the time at each step."""
        if doing != "labeling":
            return super().progress(doing, total, done=done, unit=unit)
        return nullcontext(lambda units: self.marks.append((perf_counter(), units)))

    def rate(self, first: int) -> float:
        """Pictures a second once the `first` ones were done, a batch that comes out at once."""
        times, units = zip(*self.marks, strict=True)
        done = list(accumulate(units))
        place = bisect_left(done, first)
        pictures, seconds = done[-1] - done[place], times[-1] - times[place]
        return pictures / seconds if pictures else float("nan")


@dataclass(frozen=True)
class Labelled:
    """A run of `label`.

    Attributes:
        steady: pictures a second once the first batch was done.
        whole: the same with the start of the decoding processes, as `label` reports it.
    """

    pictures: int
    steady: float
    whole: float


def time_labelling(case: Case, encoder: ClipEncoder, folder: Path, out: Path) -> Labelled:
    """`label` itself, from JPEG files to stored similarities."""
    classes = out.with_suffix(".txt")
    classes.write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    clock = _Clock()
    request = LabelRequest(
        images=folder, classes=classes, out=out, clip=case.clip, pretrained=case.pretrained,
        views=case.views, scoring=Scoring("cdul"), device=case.device, batch_pictures=case.most,
    )  # fmt: skip
    result = label(request, clock)
    rate = clock.rate(case.batch(encoder))
    return Labelled(result.pictures, rate, result.pictures_per_s or float("nan"))


@dataclass(frozen=True)
class Rounding:
    """What a reduced number format changes of the cosines.

    Attributes:
        precision: that `label` chooses on the device; on a CPU, where it chooses fp32, bf16.
        agreement: share of the views whose best class is the same, in [0, 1].
        largest: difference of two cosines.
        spread: standard deviation of the cosines, to see that difference against.
    """

    precision: str
    agreement: float
    largest: float
    spread: float


def compare_cosines(case: Case, count: int) -> Rounding:
    """Cosines of `count` pictures' views in both formats, on the same device."""
    exact, rough = case.encoder("fp32"), case.encoder("auto" if case.device == "cuda" else "bf16")
    prompts = Prompts(CLASSES, tuple((name,) for name in CLASSES), (DEFAULT_TEMPLATE,))
    texts = exact.embed_texts(prompts).T
    one, other = (
        np.concatenate([vectors @ texts for vectors in _embed(case, encoder, count)])
        for encoder in (exact, rough)
    )
    return Rounding(
        precision=rough.precision,
        agreement=float((one.argmax(axis=-1) == other.argmax(axis=-1)).mean()),
        largest=float(np.abs(one - other).max()),
        spread=float(one.std()),
    )


def _embed(case: Case, encoder: ClipEncoder, count: int) -> Iterator[npt.NDArray[np.floating]]:
    pixels, size = case.pixels(encoder, count), case.batch(encoder)
    for start in range(0, count, size):
        yield encoder.embed_views(pixels[start : start + size])

"""The pictures of a run as uint8 batches, decoded once where there is room to keep them."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cdul_edge.sources.open_source import holds_shards
from cdul_edge.training.data.shared_file import open_nameless
from cdul_edge.training.ranks import ALONE, Ranks
from cdul_edge.training.request import CacheKind, DataOptions
from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from cdul_edge_runtime.host.console import Advance
from cdul_edge_runtime.host.files import atomic_write
from cdul_edge_runtime.host.machine import usable_cores
from cdul_edge_runtime.host.prefetch import work_ahead
from cdul_edge_runtime.pictures.images import PictureList, open_image
from cdul_edge_runtime.pictures.preprocess import Preprocess

_MIB = 1 << 20
# Files that hold decoded pictures.
CACHED_PICTURES = "pictures-*.uint8"
# Pictures that may lie decoded and unused; more would only take memory.
_AHEAD = 128


class Pictures(Protocol):
    """N decoded pictures, read in batches."""

    def __len__(self) -> int: ...

    def batches(self, batches: Sequence[Tensor], *, pinned: bool = False) -> Iterator[Tensor]:
        """For each (B,) int64 batch of picture numbers, (B, H, W, 3) uint8 RGB on the CPU.

        `pinned`: in memory that a GPU copies from by itself.
        """
        ...


@dataclass(frozen=True)
class _Decoder:
    """Decodes pictures in threads: Pillow works outside the interpreter's lock."""

    pictures: PictureList
    preprocess: Preprocess
    workers: int
    remedy: str

    def in_order(self, numbers: Iterable[int]) -> Iterator[npt.NDArray[np.uint8]]:
        """(H, W, 3) uint8 of each picture, at most `_AHEAD` decoded before they are taken."""
        tasks = (partial(self._decode, number) for number in numbers)
        return work_ahead(tasks, workers=self.workers, ahead=_AHEAD)

    def _decode(self, number: int) -> npt.NDArray[np.uint8]:
        path = self.pictures.absolute(number)
        try:
            return self.preprocess.apply(open_image(path))
        except ImageError as error:
            raise CdulEdgeError(f"{path} {error.reason}: {self.remedy}") from error


class StoredPictures:
    """Pictures that lie decoded in memory, or in a file mapped into it."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels  # (N, H, W, 3) uint8

    def __len__(self) -> int:
        return len(self.pixels)

    def batches(self, batches: Sequence[Tensor], *, pinned: bool = False) -> Iterator[Tensor]:
        """(B, H, W, 3) uint8 per batch of picture numbers."""
        for indices in batches:
            shape = (len(indices), *self.pixels.shape[1:])
            out = torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)
            yield torch.index_select(self.pixels, 0, indices, out=out)


class DecodedPictures:
    """Pictures that are decoded again whenever they are asked for, ahead of the network."""

    def __init__(self, decoder: _Decoder) -> None:
        self.decoder = decoder

    def __len__(self) -> int:
        return len(self.decoder.pictures)

    def batches(self, batches: Sequence[Tensor], *, pinned: bool = False) -> Iterator[Tensor]:
        """(B, H, W, 3) uint8 per batch of picture numbers, decoded ahead."""
        numbers = (int(index) for indices in batches for index in indices)
        decoded = self.decoder.in_order(numbers)
        for indices in batches:
            images = torch.from_numpy(np.stack(list(islice(decoded, len(indices)))))
            yield images.pin_memory() if pinned else images


def locate_pictures(root: Path, paths: tuple[str, ...]) -> PictureList:
    """Find the labeled pictures on this machine.

    Args:
        root: the folder that they lie in.

    Raises:
        CdulEdgeError: some are not there; training never leaves one out unasked.
    """
    pictures = PictureList(root, paths)
    missing = [path for index, path in enumerate(paths) if not pictures.absolute(index).is_file()]
    if len(missing) == len(paths) and holds_shards(pictures.root):
        raise CdulEdgeError(
            f"the labeled pictures lie in shards in {pictures.root}, and training reads files: "
            "unpack the shards into a folder (`tar -xf SHARD -C FOLDER`), and give it as --images"
        )
    if missing:
        raise CdulEdgeError(
            f"{len(missing)} of {len(paths)} labeled pictures are not in {pictures.root}, such as "
            f"{missing[0]!r}: give the folder they lie in now as --images, or learn only from "
            "those that are there with --only present"
        )
    return pictures


def open_pictures(
    pictures: PictureList,
    preprocess: Preprocess,
    options: DataOptions,
    *,
    scratch: Path,
    remedy: str,
    tick: Advance = lambda count: None,
    ranks: Ranks = ALONE,
) -> Pictures:
    """Decode the pictures into the cache that `options` choose, or get ready to decode them.

    Ranks of one machine share a cache, which the one that leads there fills while they wait.

    Args:
        scratch: folder for the "disk" cache; a complete file there is used again.
        remedy: what to do about a picture that cannot be read, for the message.
        tick: called with 1 for each picture decoded now.
        ranks: the processes that open the same pictures now.

    Raises:
        CdulEdgeError: a picture that cannot be read.
    """
    decoder = _Decoder(pictures, preprocess, options.workers or usable_cores(), remedy)
    shape = (len(pictures), preprocess.height_px, preprocess.width_px, 3)
    cache = _Cache(decoder, options, shape, scratch, tick)
    if ranks.count > 1:
        shared = _map_shared(cache, ranks)
        if shared is not None:
            return shared
        each = options.workers or max(1, usable_cores() // ranks.launch.local_count)
        return DecodedPictures(replace(decoder, workers=each))
    kind = cache.choose()
    if kind == "none":
        return DecodedPictures(decoder)
    return cache.fill_memory() if kind == "memory" else cache.map(cache.fill_file())


def _map_shared(cache: _Cache, ranks: Ranks) -> StoredPictures | None:
    """The pictures as the processes of each machine share them; None where each decodes."""
    with ExitStack() as until_mapped:
        own = not ranks.on_first_machine
        place = ranks.ask_leader(lambda: cache.fill_shared(until_mapped, own=own))
        ranks.meet()  # other machines may take longer
        mapped = cache.map(Path(place)) if place else None
        ranks.meet()
        return mapped


@dataclass(frozen=True)
class _Cache:
    """Where decoded pictures are to lie."""

    decoder: _Decoder
    options: DataOptions
    shape: tuple[int, int, int, int]
    scratch: Path
    tick: Advance

    @property
    def size(self) -> int:
        """Bytes."""
        return int(np.prod(self.shape))

    def choose(self) -> CacheKind:
        """What "auto" means here."""
        kind, budget = self.options.cache, self.options.cache_budget_mib * _MIB
        return _roomiest(self.size, budget, self.scratch) if kind == "auto" else kind

    def fill_memory(self) -> StoredPictures:
        """Decode all into memory of this process."""
        pixels = torch.empty(self.shape, dtype=torch.uint8)
        for row, picture in zip(pixels.numpy(), self._decoded(), strict=True):
            row[:] = picture
        return StoredPictures(pixels)

    def fill_file(self) -> Path:
        """Decode all into a file of the scratch folder, unless it is there."""
        name = CACHED_PICTURES.replace("*", _digest(self.decoder.pictures, self.decoder.preprocess))
        file = self.scratch / name
        if not file.is_file():
            with atomic_write(file) as temporary, temporary.open("wb") as sink:
                self._write(sink)
        return file

    def fill_shared(self, until_mapped: ExitStack, *, own: bool) -> str:
        """Decode all to where the processes of this machine find it; "" where each decodes.

        Args:
            until_mapped: ends when all of them have it: a file without a name is closed then.
            own: this machine keeps a cache on disk among its temporary files, not in the run's.
        """
        folder = Path(tempfile.gettempdir()) if own else self.scratch
        kind = replace(self, scratch=folder).choose()
        if kind == "none":
            return ""
        if kind == "disk" and not own:
            return str(self.fill_file())
        sink, place = open_nameless(in_memory=kind == "memory", folder=folder)
        until_mapped.enter_context(sink)
        self._write(sink)
        sink.flush()
        return str(place)

    def map(self, file: Path) -> StoredPictures:
        """The pictures of a file."""
        mapped = torch.from_file(str(file), shared=False, size=self.size, dtype=torch.uint8)
        return StoredPictures(mapped.view(self.shape))

    def _write(self, sink: IO[bytes]) -> None:
        # Plain writes, not a mapped file: a full disk is then an error and no crash.
        for picture in self._decoded():
            sink.write(picture.tobytes())

    def _decoded(self) -> Iterator[npt.NDArray[np.uint8]]:
        for picture in self.decoder.in_order(range(self.shape[0])):
            yield picture
            self.tick(1)


def _roomiest(size: int, budget: int, scratch: Path) -> CacheKind:
    if size <= budget:
        return "memory"
    scratch.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(scratch).free
    return "disk" if free >= 1.2 * size + 1024 * _MIB else "none"  # room for the run itself


def _digest(pictures: PictureList, preprocess: Preprocess) -> str:
    """Changes with any picture's size or time, the list, or the preprocessing."""
    digest = hashlib.sha256(repr((str(pictures.root), preprocess)).encode())
    for index, path in enumerate(pictures.paths):
        status = pictures.absolute(index).stat()
        digest.update(repr((path, status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()[:16]

"""What the paths of a set cost in memory, before a picture is read."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from math import nan
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from benchmarks.measured_rows.figures import Figure, Measured, stated
from benchmarks.measured_rows.row import Setting
from cdul_edge.labelling.engines.stored_paths import StoredPaths
from cdul_edge.labelling.store.folder import PICTURES, write_list
from cdul_edge.sources.listed import ListedPictures
from cdul_edge.sources.open_source import open_source
from cdul_edge_runtime.host.machine import (
    give_free_memory_back,
    peak_memory_mib,
    reset_peak_memory,
    resident_memory_mib,
)
from cdul_edge_runtime.pictures.images import find_images

PICTURES_IN_ALL, IN_A_FOLDER = 1_000_000, 10_000
IN_SMALL, PART = 1_000, 512
_SMALL = "small"


def measure_paths(setting: Setting) -> Measured:
    """Each way in a process of its own, over the same folder of empty files."""
    pictures = PICTURES_IN_ALL // 100 if setting.quick else PICTURES_IN_ALL
    memory = Path("/dev/shm")  # where files are made in no time
    where = memory if memory.is_dir() else None
    with TemporaryDirectory(prefix="cdul-edge-paths-", dir=where) as place:
        lengths = [make_set(Path(place, _SMALL), IN_SMALL), make_set(Path(place), pictures)]
        figures = tuple(_measure(Path(place), pictures))
    note = f"{pictures:,} files, {IN_A_FOLDER:,} in a folder; a path has {lengths[1]} characters"
    return Measured(figures, (note,))


def make_set(place: Path, count: int) -> int:
    """Empty files, `IN_A_FOLDER` in each folder, and a list of them; returns a path's length."""
    folder, name = place / "pictures", ""
    for number in range(count):
        name = f"{number // IN_A_FOLDER:05d}/photo-{number:012d}.jpg"
        if number % IN_A_FOLDER == 0:
            (folder / name).parent.mkdir(parents=True)
        os.close(os.open(f"{folder}/{name}", os.O_CREAT | os.O_WRONLY))
    source = open_source(folder, PART)
    assert isinstance(source, ListedPictures)
    write_list(place, source.names)
    return len(name)


def _measure(place: Path, pictures: int) -> Iterator[Figure]:
    ways: tuple[tuple[str, str, Callable[[Path, int], object]], ...] = (
        ("strings", "a list of Python strings", _strings),
        ("source", "what labeling holds", _source),
        ("actor", "what an actor on a cluster holds", _actor),
    )
    for key, what, hold in ways:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            kept, peak = process.submit(weigh, hold, place, pictures).result()
        yield stated(f"{key}-kept", f"{what}: kept", "bytes per path", kept / pictures)
        yield stated(f"{key}-peak", f"{what}: at most", "bytes per path", peak / pictures)


def _strings(place: Path, pictures: int) -> object:
    return find_images(place / "pictures")


def _source(place: Path, pictures: int) -> object:
    return open_source(place / "pictures", PART)


def _actor(place: Path, pictures: int) -> object:
    paths = StoredPaths(place / PICTURES, pictures)
    paths.slice(pictures // 2, pictures // 2 + PART)
    return paths


def weigh(hold: Callable[[Path, int], object], place: Path, pictures: int) -> tuple[int, int]:
    """Bytes by which the process has grown, with what is held, and by which it ever did."""
    hold(place / _SMALL, IN_SMALL)  # imports what it needs
    _give_back()
    if not reset_peak_memory():
        raise SystemExit("this system does not let a process's peak count anew: use Linux")
    before = resident_memory_mib()
    held = hold(place, pictures)
    peak = peak_memory_mib() or nan
    _give_back()
    after = resident_memory_mib()
    del held
    return round((after - before) * 2**20), round((peak - before) * 2**20)


def _give_back() -> None:
    gc.collect()
    pa.default_memory_pool().release_unused()
    give_free_memory_back()

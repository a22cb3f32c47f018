"""One process, Ray, an object store, and tar shards: how many files differ by a byte."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measured_rows.figures import Figure, Measured, at_most, stated
from benchmarks.measured_rows.row import Setting
from benchmarks.scale.kills import ONE_THREAD
from benchmarks.scale.world import find_world
from cdul_edge.labelling import LabelRequest, label
from cdul_edge.storage.location import Location, Url
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.host.console import SilentConsole
from tests.fakes.s3_server import S3Server, started_server
from tests.fakes.shards import pack

PICTURES, PART = 600, 50
LABELS = "pseudo_labels.parquet"


def measure_same_bytes(setting: Setting) -> Measured:
    """Everything is compared with what one process makes of a folder."""
    with tempfile.TemporaryDirectory() as scratch, started_server() as server:
        os.environ.update({**server.environment(Path(scratch)), **ONE_THREAD})
        server.make_bucket("bucket")
        figures = tuple(_compare(setting, Path(scratch), server))
    notes = (
        "the imitation of S3 is moto's server; labels and manifest name the place of their "
        "pictures: of shards, parts and the rows of labels are compared; OMP_NUM_THREADS=1 on both "
        "sides, as Ray sets it for actors of one CPU: without it one process rounds otherwise",
    )
    return Measured(figures, notes)


def _compare(setting: Setting, scratch: Path, server: S3Server) -> Iterator[Figure]:
    world = find_world(setting)
    folder, tars = scratch / "pictures", scratch / "tars"
    _copy(world / "train", folder, PART * 2 if setting.quick else PICTURES)
    _pack(folder, tars)
    for tar in tars.iterdir():
        server.ask("PUT", f"/bucket/tars/{tar.name}", tar.read_bytes())
    common = partial(
        LabelRequest, classes=world / "classes.txt", clip="demo", part_pictures=PART,
        encoder="torch", threads=1,
    )  # fmt: skip

    def make(request: LabelRequest) -> dict[str, bytes]:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            process.submit(label, request, SilentConsole()).result()
        return read_all(request.out)

    alone = make(common(images=folder, out=scratch / "alone"))
    yield stated("files", "files of a labels folder", "files", len(alone))
    ray = make(common(images=folder, out=scratch / "ray", engine="ray"))
    yield _wanted_none("ray", "Ray, a folder", differing(ray, alone))
    stored = make(common(images=folder, out=Url("s3://bucket/labels"), engine="ray"))
    yield _wanted_none("s3", "Ray, an imitation of S3", differing(stored, alone))
    shards: dict[str, tuple[Location, Location, bool]] = {
        "tar": (tars, scratch / "of-tars", False),
        "s3-tar": (Url("s3://bucket/tars"), Url("s3://bucket/of-tars"), True),
    }
    for key, (images, out, by_ray) in shards.items():
        made = make(common(images=images, out=out, engine="ray" if by_ray else "local"))
        where = "Ray, tar shards and labels in an imitation of S3" if by_ray else "tar shards"
        yield _wanted_none(key, where, differing(_comparable(made), _comparable(alone)))


def _wanted_none(key: str, what: str, files: int) -> Figure:
    return at_most(0, key, f"{what}: files that differ", "files", files)


def _copy(source: Path, folder: Path, count: int) -> None:
    folder.mkdir()
    for file in sorted(source.iterdir())[:count]:
        shutil.copy2(file, folder)


def _pack(folder: Path, tars: Path) -> None:
    """Shards of a part each."""
    names = sorted(file.name for file in folder.iterdir())
    for first in range(0, len(names), PART):
        pack(tars / f"{first // PART:05d}.tar", folder, *names[first : first + PART])


def read_all(out: Location) -> dict[str, bytes]:
    """Every file of a labels folder by its name, but its lock."""
    storage = open_storage(out)
    return {name: storage.read(name) for name in storage.sizes() if name != ".lock"}


def differing(found: Mapping[str, bytes], expected: Mapping[str, bytes]) -> int:
    """How many files one side lacks, or has with other bytes."""
    names = {*found, *expected}
    return sum(found.get(name) != expected.get(name) for name in names)


def _comparable(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Parts as they are, and the rows of labels."""
    parts = {name: content for name, content in files.items() if name.startswith("similarities/")}
    return {**parts, LABELS: _rows(files[LABELS])}


def _rows(parquet: bytes) -> bytes:
    table = pq.read_table(pa.BufferReader(parquet)).replace_schema_metadata()
    return repr(table.to_pylist()).encode()

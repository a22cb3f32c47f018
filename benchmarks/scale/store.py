"""What it costs to know a store of many parts again: by a listing, and by reading everything."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.measured_rows.figures import Figure, Measured, at_most, stated
from benchmarks.measured_rows.row import Setting
from cdul_edge.labelling.store.folder import WantedParts, sort_parts
from cdul_edge.labelling.store.index import PartsIndex
from cdul_edge.labelling.store.parts import FOLDER, Part, PartFacts, part_name, write_part
from cdul_edge.labelling.store.pictures import Content, StoredPicture
from cdul_edge.labelling.store.verification import find_store_faults
from cdul_edge.labels.manifest import (
    MANIFEST,
    PARTS,
    Inputs,
    LabelsManifest,
    StoreFacts,
    read_manifest,
)
from cdul_edge.labels.settings import ImportSettings

MANY, VERY_MANY = 2_000, 200_000
PICTURES, VIEWS, CLASSES = 500, 10, 80  # of a part that is read
READ = 8  # such parts


def measure_store(setting: Setting) -> Measured:
    """Parts of one byte each: a listing reads none of them."""
    with tempfile.TemporaryDirectory(dir=setting.work) as folder:
        place = Path(folder)
        figures = [
            *_listed(place / "many", MANY, setting, within_s=1.0),
            *_listed(place / "very-many", 2 * MANY if setting.quick else VERY_MANY, setting),
            *_opened(place / "read", setting),
        ]
    notes = (
        f"parts of {PICTURES} pictures, {VIEWS} views and {CLASSES} classes where they are read; "
        "files that were just written, on this machine's disk",
    )
    return Measured(tuple(figures), notes)


def _listed(
    folder: Path, parts: int, setting: Setting, within_s: float | None = None
) -> Iterator[Figure]:
    manifest, wanted = make_listed_store(folder, parts)
    key, shown = f"{parts}-", f"{parts:,} parts: "
    verified = _time(setting, lambda: find_store_faults(folder, manifest, digests=False))
    resumed = _time(setting, lambda: sort_parts(PartsIndex.read(folder), wanted, repair=False))
    written = _time(setting, PartsIndex.read(folder).write)
    if within_s is None:
        yield stated(f"{key}verify", f"{shown}verified by a listing", "s", *verified)
    else:
        yield at_most(within_s, f"{key}verify", f"{shown}verified by a listing", "s", *verified)
    yield stated(f"{key}resume", f"{shown}found done by a resumed run", "s", *resumed)
    yield stated(f"{key}write", f"{shown}index written", "s", *written)
    size = (folder / PARTS).stat().st_size
    yield stated(f"{key}index", f"{shown}index", "bytes per part", size / parts)
    yield stated(
        f"{key}manifest", f"{shown}manifest", "kB", (folder / MANIFEST).stat().st_size / 1e3
    )


def make_listed_store(folder: Path, parts: int) -> tuple[LabelsManifest, WantedParts]:
    """A finished store whose parts hold one byte each, as the index says."""
    index = PartsIndex(folder)
    for part in range(parts):
        file = folder / part_name(part)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"1")
        facts = PartFacts(PICTURES, PICTURES, 1, _digest(part, "file"), "s", _digest(part, "paths"))
        index.facts[FOLDER, part] = facts
    index.write()
    manifest = LabelsManifest(
        complete=True,
        settings=ImportSettings(_digest(0, ""), None, _digest(1, "")),
        classes=tuple(f"class {number}" for number in range(CLASSES)),
        prompts=None,
        templates=None,
        model=None,
        similarities=StoreFacts(VIEWS, "all", parts, 0.01, None, "s"),
        inputs=Inputs("/pictures", parts * PICTURES, _digest(2, "")),
    )
    manifest.write(folder, [PARTS])
    written = read_manifest(folder)
    assert written is not None
    paths = [_digest(part, "paths") for part in range(parts)]
    return written, WantedParts(paths, "s")


def _opened(folder: Path, setting: Setting) -> Iterator[Figure]:
    """What each part costs that the index does not know, or that `--verify` reads."""
    values = np.zeros((PICTURES, VIEWS, CLASSES), np.float32)
    for part in range(READ):
        names = (f"folder/{part:06d}{number:06d}.jpg" for number in range(PICTURES))
        known = tuple(StoredPicture(name, 4, 3, Content(9, 9, "c0ffee")) for name in names)
        write_part(folder / part_name(part), Part(known, values), "cosines", "s")
    size = (folder / part_name(0)).stat().st_size

    def open_all() -> None:
        PartsIndex(folder).learn({(FOLDER, part): size for part in range(READ)})

    seconds = [found / READ for found in _time(setting, open_all)]
    yield stated("opened", "a part that the index does not know", "ms", *(1e3 * s for s in seconds))
    yield stated("part-bytes", "such a part", "MB", size / 1e6)


def _digest(number: int, kind: str) -> str:
    return hashlib.sha256(f"{kind} {number}".encode()).hexdigest()


def _time(setting: Setting, run: Callable[[], object]) -> list[float]:
    seconds = []
    for _ in range(setting.rounds):
        before = perf_counter()
        run()
        seconds.append(perf_counter() - before)
    return seconds

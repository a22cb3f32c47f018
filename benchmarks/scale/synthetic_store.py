"""Finished similarity stores of any size, of drawn cosines: what the cheap half has to read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cdul_edge.labelling.plan import digest_settings
from cdul_edge.labelling.store.folder import start_folder, write_list
from cdul_edge.labelling.store.parts import Part, part_name, slice_parts, write_part
from cdul_edge.labelling.store.pictures import StoredPicture, digest_paths
from cdul_edge.labels.manifest import Inputs, LabelsManifest, StoreFacts, read_manifest
from cdul_edge.labels.settings import ImportSettings

VIEWS, PART_PICTURES = 10, 512
# A class is in two pictures' worth of a row, however many classes there are.
SHOWN = 2.0


def make_store(folder: Path, pictures: int, classes: int) -> LabelsManifest:
    """Write a store, or take the one that is there.

    A class that a picture shows adds up to 0.08 to each view's cosine, over noise of 0.015.

    Args:
        folder: the labels folder.
        pictures: N.
        classes: C.
    """
    manifest = read_manifest(folder) if folder.is_dir() else None
    if manifest is not None:
        return manifest
    rng = np.random.default_rng(0)
    level = rng.normal(0.2, 0.01, classes).astype(np.float32)
    paths = [f"shard-{place // 10_000:05d}/{place:09d}.jpg" for place in range(pictures)]
    parts = slice_parts(pictures, PART_PICTURES)
    manifest = _describe(folder, paths, [f"class {i}" for i in range(classes)], len(parts))
    start_folder(folder, manifest)
    write_list(folder, paths)
    for index, places in enumerate(parts):
        shape = (len(places), VIEWS, classes)
        shown = rng.random((len(places), 1, classes), dtype=np.float32) < SHOWN / classes
        values = rng.standard_normal(shape, dtype=np.float32) * 0.015 + level
        values += shown * rng.random(shape, dtype=np.float32) * 0.08
        pictures_of = tuple(StoredPicture(paths[place]) for place in places)
        part = Part(pictures_of, values)
        write_part(folder / part_name(index), part, "cosines", manifest.similarities.digest)
    return manifest


def _describe(folder: Path, paths: list[str], classes: list[str], parts: int) -> LabelsManifest:
    settings = ImportSettings("drawn", None, digest_paths(paths))
    return LabelsManifest(
        complete=False,
        settings=settings,
        classes=tuple(classes),
        prompts=None,
        templates=None,
        model=None,
        similarities=StoreFacts(
            views=VIEWS,
            snippets="all",
            parts=parts,
            model_temperature=0.01,
            cached_temperature=None,
            digest=digest_settings(settings.to_dict()),
        ),
        inputs=Inputs(root=str(folder), pictures=len(paths), paths_sha256=settings.images),
    )

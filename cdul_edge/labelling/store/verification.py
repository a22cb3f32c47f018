"""Whether a store holds what was written into it, by a listing or by reading everything."""

from __future__ import annotations

from cdul_edge.labelling.store.index import PartsIndex
from cdul_edge.labelling.store.parts import part_name
from cdul_edge.labels.manifest import (
    PARTS,
    LabelsManifest,
    find_faults,
    refuse_faults,
)
from cdul_edge.storage.location import Location
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.errors import LabelsError


def refuse_damage(
    folder: Location, manifest: LabelsManifest, *, digests: bool, besides: str | None = None
) -> None:
    """Raise `LabelsError` when a file of a finished store is missing, truncated or changed.

    Args:
        folder: the labels folder.
        manifest: its manifest.
        digests: read and hash everything, in place of names and sizes of a listing.
        besides: a file, or a folder with all in it, that will be written again.
    """
    faults = find_store_faults(folder, manifest, digests=digests)
    others = {n: fault for n, fault in faults.items() if n.partition("/")[0] != besides}
    refuse_faults(folder, others)


def find_store_faults(
    folder: Location, manifest: LabelsManifest, *, digests: bool
) -> dict[str, str]:
    """What is wrong with the files that the manifest, or the parts index, vouches for.

    Returns:
        Name to fault, such as "is missing".
    """
    storage = open_storage(folder)
    sizes = storage.sizes()
    faults = find_faults(storage, manifest.files, sizes, digests=digests)
    if PARTS not in manifest.files:  # of cdul-edge 0.1, which named every part in the manifest
        return faults
    index_facts = {PARTS: manifest.files[PARTS]}
    if PARTS in faults or find_faults(storage, index_facts, sizes, digests=True):
        return {**faults, PARTS: faults.get(PARTS, "is not the file that was written")}
    try:
        index = PartsIndex.read(folder)
    except LabelsError:
        return {**faults, PARTS: "is damaged"}
    known = index.files
    faults |= find_faults(storage, known, sizes, digests=digests)
    names = (part_name(part) for part in range(manifest.similarities.parts))
    unknown = {name: f"is not in {PARTS}" for name in names if name not in known}
    return {**faults, **unknown}


def drop_damage(folder: Location, manifest: LabelsManifest) -> None:
    """Remove what is not the file that was written, so that it is made again."""
    storage = open_storage(folder)
    kept = f"is not in {PARTS}"  # that is opened, and judged by what it says of itself
    for name, fault in find_store_faults(folder, manifest, digests=True).items():
        if fault != kept:
            storage.remove(name)

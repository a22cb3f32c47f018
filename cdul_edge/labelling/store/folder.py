"""A labels folder: what is in it, what goes, and what is kept for later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cdul_edge.labelling.store.index import Kind, PartsIndex, part_sizes
from cdul_edge.labelling.store.parts import (
    EMBEDDINGS_FOLDER,
    FOLDER,
    PartFacts,
    part_name,
)
from cdul_edge.labelling.store.shard_list import SHARDS, write_shards
from cdul_edge.labels.label_stream import COMMON, FILE_NAME
from cdul_edge.labels.manifest import LABELS_FOLDER, MANIFEST, PARTS, LabelsManifest, read_manifest
from cdul_edge.labels.parquet_files import read_column, read_table
from cdul_edge.sources.paths import ROW_GROUP
from cdul_edge.sources.shards import ShardPictures
from cdul_edge.storage.location import Location
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from cdul_edge_runtime.host.ownership import is_own_file, remove_own, require_own
from cdul_edge_runtime.host.unfinished.names import remove_left_behind

PICTURES = "pictures.parquet"
# Parts whose pictures changed: rows are taken from them, and the folder goes with the last part.
EARLIER = "earlier"

_REQUESTS_AT_ONCE = 16


def find_existing(out: Location) -> LabelsManifest | None:
    """The manifest in `out`, or None where nothing is.

    Raises:
        CdulEdgeError: something else is there, which is left alone.
    """
    if isinstance(out, Path) and not out.is_dir():
        if not out.exists() and not out.is_symlink():
            return None
    else:
        manifest = read_manifest(out)
        # a run that was killed before its manifest stood leaves temporary files only
        names = () if manifest is not None else open_storage(out).names()
        if all(name.startswith(".") for name in names):
            return manifest
        if part_sizes(out):
            raise LabelsError(
                f"{out} holds similarities, and no {MANIFEST}: run the same `cdul-edge label` "
                "command with --repair, or choose another --out"
            )
    raise CdulEdgeError(f"{out} exists and is not a labels folder: choose another --out")


def start_folder(out: Location, manifest: LabelsManifest) -> None:
    """Write an unfinished manifest over what a killed run left.

    Temporary files go whose writers are dead. An object store has none: what is not put is not
    there.
    """
    manifest.write(out, [])
    if isinstance(out, Path):
        now_ns = (out / MANIFEST).stat().st_mtime_ns
        for place in (out, out / FOLDER, out / EMBEDDINGS_FOLDER, out / EARLIER):
            remove_left_behind(place, now_ns)


def write_list(out: Location, pictures: Iterable[str] | ShardPictures) -> None:
    """Write what is labeled: a list of pictures, in slices that can be read alone, or of shards."""
    storage = open_storage(out)
    if isinstance(pictures, ShardPictures):
        storage.remove(PICTURES)
        write_shards(out, pictures)
        return
    storage.remove(SHARDS)
    schema = pa.schema({"path": pa.string()})
    following = iter(pictures)
    with storage.write(PICTURES) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        while some := list(islice(following, ROW_GROUP)):
            writer.write_table(pa.table([pa.array(some, pa.string())], schema))


def remove_labels(folder: Location) -> None:
    """Remove what labeling wrote, the manifest last, and the folder if it is empty then.

    Raises:
        CdulEdgeError: the folder also holds what this program did not make.
    """
    if isinstance(folder, Path):
        require_own(folder, LABELS_FOLDER)
        remove_own(folder, LABELS_FOLDER)
        if not any(folder.iterdir()):
            folder.rmdir()
        return
    storage = open_storage(folder)
    names = storage.sizes()
    foreign = [name for name in names if not is_own_file(name, LABELS_FOLDER)]
    manifest = read_manifest(folder)
    if foreign or manifest is None:
        raise CdulEdgeError(
            f"{folder} also holds {', '.join(foreign[:3]) or 'files without a manifest'}, which "
            "cdul-edge did not make: move that away first; --force replaces only a labels folder "
            "that cdul-edge made: choose another place"
        )
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        list(pool.map(storage.remove, (name for name in names if name != MANIFEST)))
    storage.remove(MANIFEST)


def read_list(folder: Location) -> list[str]:
    """The list of pictures, empty for a store of shards.

    Raises:
        LabelsError: it is missing or truncated.
    """
    if SHARDS in open_storage(folder).sizes_of([SHARDS]):
        return []
    try:
        table = read_table(folder / PICTURES)
        paths: list[str] = read_column(table, "path", pa.string()).to_pylist()
    except LabelsError as error:
        raise LabelsError(
            f"{folder / PICTURES} is missing or damaged ({error}): start over with --force"
        ) from error
    return paths


@dataclass(frozen=True)
class WantedParts:
    """What the parts of a plan are known by.

    Attributes:
        paths: of each part, `digest_paths` of its pictures; None where only the part tells which
            they are, as in a tar shard.
        settings: digest of the settings behind cosines.
        embeddings: of those behind kept embeddings; None where none are kept.
        older: by kind, the digest under which an earlier version wrote parts of the same settings
            and of the list that the manifest in the folder has.
    """

    paths: Sequence[str | None]
    settings: str
    embeddings: str | None = None
    older: Mapping[Kind, str] = field(default_factory=dict)

    def is_met(self, kind: Kind, part: int, found: PartFacts | None) -> bool:
        """Whether a part is what it shall be."""
        wanted = self.settings if kind == FOLDER else self.embeddings
        if found is None or wanted is None:
            return False
        if found.settings not in (wanted, self.older.get(kind)):
            return False
        return self.paths[part] in (None, found.paths)


def sort_parts(
    index: PartsIndex, wanted: WantedParts, *, repair: bool
) -> tuple[list[int], list[int]]:
    """Which parts embeddings can fill, and which need pictures; the others are done.

    A listing tells; only parts that the index does not know are opened, and it takes them up. It
    is written without those that are to be made. A part that was made of other pictures, or of
    other settings, is set aside, for its rows.

    Args:
        index: of the labels folder.
        wanted: what the parts shall be.
        repair: make truncated parts again.

    Raises:
        LabelsError: a part is truncated and `repair` is not set.
    """
    sizes = part_sizes(index.where)
    kinds = (FOLDER, EMBEDDINGS_FOLDER) if wanted.embeddings is not None else (FOLDER,)
    there = {
        (kind, part): size
        for (kind, part), size in sizes.items()
        if kind in kinds and part < len(wanted.paths)
    }
    for fault in index.learn(there).values():
        if not repair:
            raise fault
    found = {key: index.facts.get(key) for key in there}
    from_embeddings, from_pictures = [], []
    for part in range(len(wanted.paths)):
        met = {kind: wanted.is_met(kind, part, found.get((kind, part))) for kind in kinds}
        if not met[kinds[-1]]:
            from_pictures.append(part)
        elif not met[FOLDER]:
            from_embeddings.append(part)
    beyond = {part for _, part in sizes if part >= len(wanted.paths)}
    moved = sorted({*from_pictures, *beyond})
    index.drop_parts(moved)
    index.drop((FOLDER, part) for part in from_embeddings)
    index.drop([key for key in index.facts if key not in sizes])
    index.write()
    set_aside(index.where, moved, sizes)
    return from_embeddings, from_pictures


def set_aside(
    folder: Location, parts: Sequence[int], sizes: Mapping[tuple[Kind, int], int] | None = None
) -> None:
    """Move parts' files to where their rows are looked for when they are made again.

    Args:
        folder: the labels folder.
        parts: which.
        sizes: of the parts that are there; None looks.
    """
    if not parts:
        return
    storage = open_storage(folder)
    there = part_sizes(folder) if sizes is None else sizes
    taken = set(storage.sizes(EARLIER))
    for kind in (FOLDER, EMBEDDINGS_FOLDER):
        number = sum(name.startswith(f"{EARLIER}/{kind}-") for name in taken)
        for part in parts:
            if (kind, part) in there:
                while (name := f"{EARLIER}/{kind}-{number:05d}.parquet") in taken:
                    number += 1
                storage.move(part_name(part, kind), name)
                taken.add(name)


def finish_parts(folder: Location) -> None:
    """Remove what was set aside, once every part stands."""
    storage = open_storage(folder)
    for name in storage.sizes(EARLIER):
        if name.endswith(".parquet"):
            storage.remove(name)
    if isinstance(folder, Path):
        with suppress(OSError):  # nothing was set aside, or something else is in it
            (folder / EARLIER).rmdir()


def list_files(folder: Location) -> list[str]:
    """What a finished folder's manifest vouches for; the index vouches for the parts."""
    wanted = (FILE_NAME, f"{FILE_NAME}/{COMMON}", PICTURES, SHARDS, PARTS)
    there = open_storage(folder).sizes_of(wanted)
    return [name for name in wanted if name in there]

"""A labels folder on disk: what is in it, what goes, and what is kept for later."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cdul_edge.labelling.store.parts import (
    EMBEDDINGS_FOLDER,
    FOLDER,
    part_digest,
    part_name,
    read_pictures,
)
from cdul_edge.labels.manifest import LABELS_FOLDER, LabelsManifest, read_manifest
from cdul_edge.labels.parquet_files import read_column, read_table
from cdul_edge.labels.pseudo_labels import FILE_NAME
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from cdul_edge_runtime.host.files import atomic_write
from cdul_edge_runtime.host.ownership import remove_own, require_own

PICTURES = "pictures.parquet"
# Parts whose pictures changed: rows are taken from them, and the folder goes with the last part.
EARLIER = "earlier"


def find_existing(out: Path) -> LabelsManifest | None:
    """The manifest in `out`, or None where nothing is.

    Raises:
        CdulEdgeError: something else is there, which is left alone.
    """
    if out.is_dir():
        manifest = read_manifest(out)
        # a run that was killed before its manifest stood leaves temporary files only
        if manifest is not None or all(child.name.startswith(".") for child in out.iterdir()):
            return manifest
    elif not out.exists() and not out.is_symlink():
        return None
    raise CdulEdgeError(f"{out} exists and is not a labels folder: choose another --out")


def start_folder(out: Path, manifest: LabelsManifest, paths: Sequence[str]) -> None:
    """Write an unfinished manifest, and the list of pictures, over what a killed run left."""
    for place in (out, out / FOLDER, out / EMBEDDINGS_FOLDER, out / EARLIER):
        for file in place.glob(".*.tmp"):
            file.unlink(missing_ok=True)
    manifest.write(out, [])
    with atomic_write(out / PICTURES) as temporary:
        pq.write_table(pa.table({"path": pa.array(paths, pa.string())}), temporary)


def remove_labels(folder: Path) -> None:
    """Remove what labeling wrote, the manifest last, and the folder if it is empty then.

    Raises:
        CdulEdgeError: the folder also holds what this program did not make.
    """
    require_own(folder, LABELS_FOLDER)
    remove_own(folder, LABELS_FOLDER)
    if not any(folder.iterdir()):
        folder.rmdir()


def read_list(folder: Path) -> list[str]:
    """The list of pictures; raises `LabelsError` when it is missing or truncated."""
    try:
        table = read_table(folder / PICTURES)
        paths: list[str] = read_column(table, "path", pa.string()).to_pylist()
    except LabelsError as error:
        raise LabelsError(
            f"{folder / PICTURES} is missing or damaged ({error}): start over with --force"
        ) from error
    return paths


def sort_parts(
    folder: Path, count: int, *, digest: str, embedding_digest: str | None, repair: bool
) -> tuple[list[int], list[int]]:
    """Which parts embeddings can fill, and which need pictures; the others are done.

    A part that was made of another list of pictures is set aside, for its rows.

    Args:
        folder: the labels folder.
        count: how many parts there shall be.
        digest: of the settings behind cosines.
        embedding_digest: of those behind kept embeddings; None where none are kept.
        repair: make truncated parts again.

    Raises:
        LabelsError: a part is truncated and `repair` is not set.
    """
    from_embeddings, from_pictures = [], []
    for index in range(count):
        done = _digest(folder / part_name(index), repair) == digest
        wanted = embedding_digest is not None
        kept = wanted and embedding_digest == _digest(
            folder / part_name(index, EMBEDDINGS_FOLDER), repair
        )
        if not kept and (wanted or not done):
            from_pictures.append(index)
            set_aside(folder, index)
        elif not done:
            from_embeddings.append(index)
    beyond = count
    while any(
        (folder / part_name(beyond, where)).exists() for where in (FOLDER, EMBEDDINGS_FOLDER)
    ):
        set_aside(folder, beyond)
        beyond += 1
    return from_embeddings, from_pictures


def set_aside(folder: Path, index: int) -> None:
    """Move a part's files to where their rows are looked for when it is made again."""
    for kind in (FOLDER, EMBEDDINGS_FOLDER):
        file = folder / part_name(index, kind)
        if file.is_file():
            place = folder / EARLIER
            place.mkdir(exist_ok=True)
            number = len(list(place.glob(f"{kind}-*.parquet")))
            file.replace(place / f"{kind}-{number:05d}.parquet")


def finish_parts(folder: Path) -> None:
    """Remove what was set aside, once every part stands."""
    place = folder / EARLIER
    for file in place.glob("*.parquet"):
        file.unlink(missing_ok=True)
    with suppress(OSError):  # nothing was set aside, or something else is in it
        place.rmdir()


def list_files(folder: Path, parts: int) -> list[str]:
    """What a finished folder's manifest vouches for."""
    names = [part_name(index) for index in range(parts)]
    names += [part_name(index, EMBEDDINGS_FOLDER) for index in range(parts)]
    return [name for name in (FILE_NAME, PICTURES, *names) if (folder / name).is_file()]


def count_skipped(folder: Path, parts: Sequence[int]) -> int:
    """Unreadable pictures of finished parts."""
    listed = (read_pictures(folder / part_name(index)) for index in parts)
    return sum(picture.reason is not None for pictures in listed for picture in pictures)


def _digest(path: Path, repair: bool) -> str | None:
    try:
        return part_digest(path)
    except LabelsError:
        if repair:
            return None
        raise

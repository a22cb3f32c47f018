"""What a labels folder already holds, and what of it may be used again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cdul_edge.labelling.store.parts import EMBEDDINGS_FOLDER, FOLDER, part_digest, part_name
from cdul_edge.labels.folder import LABELS_FOLDER, find_faults, read_manifest, refuse_faults
from cdul_edge.labels.pseudo_labels import FILE_NAME
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from cdul_edge_runtime.host.files import atomic_write
from cdul_edge_runtime.host.ownership import remove_own, require_own

PICTURES = "pictures.parquet"


def find_existing(out: Path) -> dict[str, Any] | None:
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


def remove_labels(folder: Path) -> None:
    """Remove what labelling wrote, the manifest last, and the folder if it is empty then.

    Raises:
        CdulEdgeError: the folder also holds what this program did not make.
    """
    require_own(folder, LABELS_FOLDER)
    remove_own(folder, LABELS_FOLDER)
    if not any(folder.iterdir()):
        folder.rmdir()


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of a run that was killed."""
    for place in (folder, folder / FOLDER, folder / EMBEDDINGS_FOLDER):
        for file in place.glob(".*.tmp"):
            file.unlink(missing_ok=True)


def refuse_damage(folder: Path, manifest: dict[str, Any]) -> None:
    """Raise `LabelsError` when a part of a finished store is missing, cut or changed."""
    faults = find_faults(folder, manifest, digests=True)
    faults.pop(FILE_NAME, None)  # made anew in any case
    refuse_faults(folder, faults)


def drop_damage(folder: Path, manifest: dict[str, Any]) -> None:
    """Remove parts that are not the files the manifest names, so that they are made again."""
    for name in find_faults(folder, manifest, digests=True):
        (folder / name).unlink(missing_ok=True)


def remaining_parts(
    folder: Path, count: int, *, digest: str, embedding_digest: str | None, repair: bool
) -> tuple[list[int], list[int]]:
    """Parts that embeddings can fill, and parts for which pictures must be read.

    Raises:
        LabelsError: a part is cut and `repair` is not set.
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
        elif not done:
            from_embeddings.append(index)
    return from_embeddings, from_pictures


def count_skipped(folder: Path, parts: Sequence[int]) -> int:
    """Unreadable pictures of finished parts."""
    total = 0
    for index in parts:
        table = pq.read_table(folder / part_name(index), columns=["reason"])
        total += table.num_rows - table.column("reason").null_count
    return total


def write_pictures(folder: Path, paths: Sequence[str]) -> None:
    """Record the list, so that a later run can name what was added to it."""
    with atomic_write(folder / PICTURES) as temporary:
        pq.write_table(pa.table({"path": pa.array(paths, pa.string())}), temporary)


def read_pictures(folder: Path) -> list[str]:
    """Read what `write_pictures` wrote; raises `LabelsError` when it is missing or cut."""
    try:
        table = pq.read_table(folder / PICTURES)
        paths: list[str] = table.column("path").to_pylist()
    except (pa.ArrowException, OSError, KeyError) as error:
        raise LabelsError(
            f"{folder / PICTURES} is missing or cut: start anew with --force"
        ) from error
    return paths


def _digest(path: Path, repair: bool) -> str | None:
    try:
        return part_digest(path)
    except LabelsError:
        if repair:
            return None
        raise

"""A store whose manifest is gone or damaged: its parts still say what they are."""

from __future__ import annotations

from pathlib import Path

from cdul_edge.labelling.store.changes import Changes, find_changes, find_shard_changes
from cdul_edge.labelling.store.index import PartsIndex, part_sizes
from cdul_edge.labelling.store.parts import FOLDER, part_name
from cdul_edge.labelling.store.shard_list import read_shards
from cdul_edge.labels.manifest import DamagedManifestError, find_faults, read_manifest
from cdul_edge.sources.listed import ListedPictures
from cdul_edge.sources.shards import ShardPictures
from cdul_edge.sources.source import PictureSource
from cdul_edge.storage.location import Location
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.errors import LabelsError


def has_lost_manifest(out: Location) -> bool:
    """Whether parts lie in a folder whose manifest is missing or damaged.

    Raises:
        LabelsError: the manifest is whole, but of another kind or format.
    """
    if isinstance(out, Path) and not out.is_dir():
        return False
    try:
        if read_manifest(out) is not None:
            return False
    except DamagedManifestError:
        pass
    return bool(part_sizes(out))


def find_lost_changes(out: Location, source: PictureSource) -> Changes:
    """What of the pictures changed since, as far as the parts and the list of shards tell.

    Raises:
        LabelsError: nothing tells which shards the parts hold, or it is other shards.
    """
    if isinstance(source, ListedPictures):  # a part tells of its paths itself
        return find_changes(out, source.parts, source, same_list=True, look=True, update=False)
    assert isinstance(source, ShardPictures)
    if not read_shards(out):
        raise LabelsError(
            f"nothing in {out} tells of which shards it was made: choose another --out"
        )
    changes = find_shard_changes(out, source.parts, source, update=False)
    if changes.list_differs or changes.replaced:
        raise LabelsError(
            f"the shards changed since {out} was made: {changes}: give those that it was made of, "
            "or choose another --out"
        )
    return changes


def drop_changed_parts(out: Location) -> None:
    """Remove parts that are not what the index says, so that they are made again."""
    storage, index = open_storage(out), PartsIndex.recover(out)
    known = index.files
    for name in find_faults(storage, known, storage.sizes_of(known), digests=True):
        storage.remove(name)


def refuse_other_parts(out: Location, settings: str) -> None:
    """Leave parts alone that were made with other settings, where no manifest tells of them.

    Args:
        out: the labels folder.
        settings: digest of the settings that are asked for.

    Raises:
        LabelsError: there are such parts; damaged ones are passed over.
    """
    index = PartsIndex.recover(out)
    there = {key: size for key, size in part_sizes(out).items() if key[0] == FOLDER}
    whole = there.keys() - index.learn(there).keys()
    for kind, part in sorted(whole):
        if index.facts[kind, part].settings != settings:
            raise LabelsError(
                f"{out / part_name(part)} was made with other settings, and no manifest tells "
                "which: give the settings it was made with, --precision and --encoder too, or "
                "choose another --out"
            )

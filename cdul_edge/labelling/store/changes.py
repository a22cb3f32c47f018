"""What happened to the pictures since they were labeled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from cdul_edge.labelling.store.folder import read_list
from cdul_edge.labelling.store.index import PartsIndex, part_sizes
from cdul_edge.labelling.store.parts import FOLDER, part_name, read_pictures
from cdul_edge.labelling.store.pictures import StoredPicture, are_same, is_content
from cdul_edge.labelling.store.shard_list import read_shards
from cdul_edge.sources.listed import ListedPictures
from cdul_edge.sources.shards import Shard, ShardPictures
from cdul_edge.sources.source import SourcePicture
from cdul_edge.storage.location import Location
from cdul_edge_runtime.errors import LabelsError

# Of more pictures, files are looked at only when that is asked for: 33 microseconds each, and every
# part is read.
LOOKED_AT = 200_000


@dataclass(frozen=True)
class Changes:
    """How a list of pictures, and their files, differ from what a store holds.

    Attributes:
        new, gone: paths that only the list has, and only the store; or names of shards.
        replaced: paths whose files hold something else now, or shards of another size.
        skipped: paths that could not be read, and were not replaced since.
        reordered: the same paths in another order.
        texts: classes, prompts or templates differ.
        everything: nothing of the store is of use.
        stale_parts: the parts of the same list whose pictures shall be read again; of shards,
            also of another list.
    """

    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    reordered: bool = False
    texts: bool = False
    everything: bool = False
    stale_parts: tuple[int, ...] = ()

    @property
    def none(self) -> bool:
        """Whether the store is what it should be."""
        return not (self.list_differs or self.texts or self.everything or self.stale_parts)

    @property
    def list_differs(self) -> bool:
        """Whether it is another list of pictures."""
        return bool(self.new or self.gone or self.reordered)

    def __str__(self) -> str:
        kinds = (("new", self.new), ("gone", self.gone), ("replaced", self.replaced))
        named = [f"{len(paths)} {kind} ({_name(paths)})" for kind, paths in kinds if paths]
        if self.reordered:
            named.append("the same pictures in another order")
        return ", ".join(named)


def find_changes(
    folder: Location,
    parts: int,
    pictures: ListedPictures,
    *,
    same_list: bool,
    look: bool,
    update: bool,
) -> Changes:
    """Compare a list of pictures with a store; damaged parts are passed over.

    Args:
        folder: the labels folder.
        parts: how many parts it has.
        pictures: the list.
        same_list: whether the manifest's digest says that it is the store's own.
        look: compare the pictures' files with what the parts know of them; of another list, and of
            up to `LOOKED_AT` pictures, that is done anyway.
        update: what could not be read shall be tried again. So shall what cdul-edge 0.1 labeled: it
            recorded names only, so that nothing tells which pictures were replaced.
    """
    if same_list and not look and len(pictures.names) > LOOKED_AT:
        return Changes()
    now = None if same_list else set(pictures.names)
    replaced: dict[str, int] = {}
    skipped: dict[str, int] = {}
    files = pictures.files.listed()
    for index in sorted(part for kind, part in part_sizes(folder) if kind == FOLDER):
        if index >= parts:
            break
        try:
            known = read_pictures(folder / part_name(index))
        except LabelsError:  # damaged
            continue
        listed = [picture for picture in known if now is None or picture.path in now]
        asked = [picture for picture in listed if update or picture.content is not None]
        same = dict(zip((one.path for one in asked), are_same(files, asked), strict=True))
        for picture in listed:
            if not same.get(picture.path, True):
                replaced[picture.path] = index
            elif picture.reason is not None:
                skipped[picture.path] = index
    stale = tuple(sorted({*replaced.values(), *(skipped.values() if update else ())}))
    found = Changes(replaced=tuple(replaced), skipped=tuple(skipped), stale_parts=stale)
    if now is None:
        return found
    stored = read_list(folder)
    before = set(stored)
    return replace(
        found,
        new=tuple(path for path in pictures.names if path not in before),
        gone=tuple(path for path in stored if path not in now),
        reordered=before == now and stored != list(pictures.names),
    )


def find_shard_changes(
    folder: Location, parts: int, source: ShardPictures, *, update: bool
) -> Changes:
    """Compare shards with those that a store was made of, by name, size and time.

    Only a shard of the same size and another time is read: it was copied, or holds other pictures.

    Args:
        folder: the labels folder.
        parts: how many parts it has.
        source: the shards.
        update: what could not be read shall be tried again.
    """
    stored = read_shards(folder)
    before = {shard.name: shard for shards in stored for shard in shards}
    now = {shard.name: shard for shard in source.shards}
    stale = {
        part
        for part in range(source.parts)
        if part >= len(stored) or not _is_same_part(folder, part, stored[part], source)
    }
    replaced = [
        shard.name
        for part in stale
        for shard in source.shards_of(part)
        if shard != before.get(shard.name, shard)
    ]
    gone = tuple(read_list(folder)) if not stored else tuple(n for n in before if n not in now)
    skipped = _unreadable_parts(folder, parts) if update else ()
    same = before.keys() == now.keys() and not replaced
    return Changes(
        new=tuple(name for name in now if name not in before),
        gone=gone,
        replaced=tuple(replaced),
        reordered=same and bool(stale or source.parts != len(stored)),
        stale_parts=tuple(sorted({*stale, *skipped})),
    )


def _is_same_part(
    folder: Location, part: int, stored: tuple[Shard, ...], source: ShardPictures
) -> bool:
    """Whether a part's shards hold the pictures that they held."""
    shards = source.shards_of(part)
    if stored == shards:
        return True
    if [(one.name, one.bytes) for one in stored] != [(one.name, one.bytes) for one in shards]:
        return False
    try:
        known = read_pictures(folder / part_name(part))
    except (LabelsError, FileNotFoundError):  # not made yet, or damaged
        return False
    return all(
        given is not None and picture is not None and _is_same_picture(given, picture)
        for given, picture in zip_longest(source.part(part), known)
    )


def _is_same_picture(given: SourcePicture, known: StoredPicture) -> bool:
    if given.path != known.path:
        return False
    return known.reason is not None or is_content(given, known.content)


def _unreadable_parts(folder: Location, parts: int) -> Sequence[int]:
    """The parts that have pictures which could not be read; damaged ones are passed over."""
    index = PartsIndex.recover(folder)
    there = {
        (kind, part): size
        for (kind, part), size in part_sizes(folder).items()
        if kind == FOLDER and part < parts
    }
    damaged = index.learn(there)
    facts = {part: index.facts[kind, part] for kind, part in there.keys() - damaged.keys()}
    return [part for part, one in facts.items() if one.labelled < one.pictures]


def _name(paths: Sequence[str]) -> str:
    named = ", ".join(repr(path) for path in sorted(paths)[:3])
    return f"{named}, …" if len(paths) > 3 else named

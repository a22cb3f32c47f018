"""Which files of a place are shards: a folder of them, one, or a pattern in braces."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from cdul_edge.sources.listing import look_at
from cdul_edge.sources.shards import Format, Shard, ShardPictures
from cdul_edge.sources.source import Look
from cdul_edge.storage.location import Location, Url
from cdul_edge_runtime.errors import CdulEdgeError

_ENDINGS: Mapping[str, Format] = {
    **dict.fromkeys((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"), "tar"),
    ".parquet": "parquet",
}
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
MOST_SHARDS = 10_000_000  # {0..99999999999} is a slip


def format_of(name: str) -> Format | None:
    """What kind of shard a file of this name is."""
    lower = name.lower()
    return next((kind for end, kind in _ENDINGS.items() if lower.endswith(end)), None)


def has_braces(images: Location) -> bool:
    """Whether a place is a pattern such as shard-{00000..00099}.tar."""
    return _BRACES.search(str(images)) is not None


def choose_shards(found: Mapping[str, Look]) -> tuple[Shard, ...]:
    """The shards among the files of a folder, in order of their names."""
    return tuple(_shard(name, facts) for name, facts in found.items() if format_of(name))


def name_shards(images: Location, part_shards: int = 1) -> ShardPictures:
    """The shards that one name, or a pattern, stands for.

    Raises:
        CdulEdgeError: one is missing, or named twice.
    """
    names = _expand(str(images))
    places = [Path(name) if isinstance(images, Path) else Url(name) for name in names]
    root = _common_folder(places)
    relative = [name[len(str(root)) :].lstrip("/") for name in map(str, places)]
    if len(set(relative)) < len(relative):
        twice = next(name for name in relative if relative.count(name) > 1)
        raise CdulEdgeError(f"{images} names the shard {twice} twice: name each once")
    found = look_at(root, relative)
    missing = [name for name in relative if name not in found]
    if missing:
        also = f", nor are {len(missing) - 1} others" if len(missing) > 1 else ""
        raise CdulEdgeError(
            f"the shard {root / missing[0]} does not exist{also}: check the name, or the range in "
            "braces"
        )
    return make_shards(root, tuple(_shard(name, found[name]) for name in relative), part_shards)


def make_shards(root: Location, shards: tuple[Shard, ...], part_shards: int = 1) -> ShardPictures:
    """A source of shards of one kind; raises `CdulEdgeError` where there are two kinds."""
    kinds: dict[Format, str] = {}
    for shard in shards:
        kind = format_of(shard.name)
        assert kind is not None
        kinds.setdefault(kind, shard.name)
    if len(kinds) > 1:
        one, other = sorted(kinds.values())
        raise CdulEdgeError(
            f"{root} holds shards of two kinds, such as {one} and {other}: give one kind at a time"
        )
    return ShardPictures(root, shards, part_shards, next(iter(kinds)))


def _expand(text: str) -> list[str]:
    """Every name that a pattern stands for, in its order."""
    pieces = _BRACES.split(text)
    choices = [
        [piece] if place % 2 == 0 else _alternatives(piece, text)
        for place, piece in enumerate(pieces)
    ]
    count = 1
    for one in choices:
        count *= len(one)
    if count > MOST_SHARDS:
        raise CdulEdgeError(f"{text} stands for {count:,} shards: check the range in braces")
    return ["".join(chosen) for chosen in product(*choices)]


def _alternatives(piece: str, text: str) -> Sequence[str]:
    found = _RANGE.fullmatch(piece)
    if found is None:
        return [part.strip() for part in piece.split(",")]
    first, last = found.groups()
    if int(last) < int(first):
        raise CdulEdgeError(f"{text} counts down, from {first} to {last}: write {last}..{first}")
    if int(last) - int(first) >= MOST_SHARDS:
        raise CdulEdgeError(f"{text} counts from {first} to {last}: check the range in braces")
    return [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]


def _common_folder(places: Sequence[Location]) -> Location:
    folders = {place.parent for place in places}
    while len(folders) > 1:
        deepest = max(folders, key=lambda folder: len(str(folder)))
        folders = (folders - {deepest}) | {deepest.parent}
    return folders.pop()


def _shard(name: str, facts: Look) -> Shard:
    return Shard(name, facts.bytes, facts.mtime_ns)

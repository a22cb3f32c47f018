"""What happened to the pictures since they were labeled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cdul_edge.labelling.store.folder import read_list
from cdul_edge.labelling.store.index import part_sizes
from cdul_edge.labelling.store.parts import FOLDER, part_name, read_pictures
from cdul_edge.labelling.store.pictures import is_same
from cdul_edge.storage.location import Location
from cdul_edge_runtime.errors import LabelsError
from cdul_edge_runtime.pictures.images import PictureList


@dataclass(frozen=True)
class Changes:
    """How a list of pictures, and their files, differ from what a store holds.

    Attributes:
        new, gone: paths that only the list has, and only the store.
        replaced: paths whose files hold something else now.
        skipped: paths that could not be read, and were not replaced since.
        reordered: the same paths in another order.
        texts: classes, prompts or templates differ.
        everything: nothing of the store is of use.
        stale_parts: the parts of the same list whose pictures shall be read again.
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
    folder: Location, parts: int, pictures: PictureList, *, same_list: bool, update: bool
) -> Changes:
    """Compare a list of pictures with a store; damaged parts are passed over.

    Args:
        folder: the labels folder.
        parts: how many parts it has.
        pictures: the list.
        same_list: whether the manifest's digest says that it is the store's own.
        update: what could not be read shall be tried again. So shall what cdul-edge 0.1 labeled: it
            recorded names only, so that nothing tells which pictures were replaced.
    """
    stored = pictures.paths if same_list else read_list(folder)
    now = None if same_list else set(pictures.paths)
    replaced: dict[str, int] = {}
    skipped: dict[str, int] = {}
    for index in sorted(part for kind, part in part_sizes(folder) if kind == FOLDER):
        if index >= parts:
            break
        try:
            known = read_pictures(folder / part_name(index))
        except LabelsError:  # damaged
            continue
        for picture in known:
            if now is not None and picture.path not in now:
                continue
            asked = update or picture.content is not None
            if asked and not is_same(pictures.root / picture.path, picture):
                replaced[picture.path] = index
            elif picture.reason is not None:
                skipped[picture.path] = index
    stale = tuple(sorted({*replaced.values(), *(skipped.values() if update else ())}))
    found = Changes(replaced=tuple(replaced), skipped=tuple(skipped), stale_parts=stale)
    if now is None:
        return found
    before = set(stored)
    return replace(
        found,
        new=tuple(path for path in pictures.paths if path not in before),
        gone=tuple(path for path in stored if path not in now),
        reordered=before == now and tuple(stored) != pictures.paths,
    )


def _name(paths: Sequence[str]) -> str:
    named = ", ".join(repr(path) for path in sorted(paths)[:3])
    return f"{named}, …" if len(paths) > 3 else named

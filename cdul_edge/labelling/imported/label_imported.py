"""`cdul-edge label --from-similarities`: CLIP outputs made elsewhere enter the same store."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from cdul_edge.labelling.encode.prompts import read_prompts
from cdul_edge.labelling.imported.similarity_files import Similarities, read_similarities
from cdul_edge.labelling.plan import (
    describe_differences,
    digest_settings,
    refuse_differences,
)
from cdul_edge.labelling.request import ImportRequest
from cdul_edge.labelling.store.folder import (
    find_existing,
    remove_labels,
    start_folder,
    write_list,
)
from cdul_edge.labelling.store.index import PartsIndex
from cdul_edge.labelling.store.parts import FOLDER, Part, part_name, slice_parts, write_part
from cdul_edge.labelling.store.pictures import StoredPicture, digest_paths
from cdul_edge.labelling.store.verification import refuse_damage
from cdul_edge.labels.manifest import Inputs, LabelsManifest, StoreFacts
from cdul_edge.labels.pseudo_labels import FILE_NAME
from cdul_edge.labels.settings import ImportSettings
from cdul_edge.storage.location import Location
from cdul_edge.storage.open_storage import open_parent
from cdul_edge_runtime.bundle.classes import own_spelling
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.metrics.matching import clean_path
from cdul_edge_runtime.pictures.images import find_images

PART_PICTURES = 4096  # no picture is read: parts need not be small to lose little


def import_similarities(request: ImportRequest, console: Console) -> LabelsManifest:
    """Store the similarities of a file, where they are not stored yet.

    Returns:
        The manifest of the store.

    Raises:
        CdulEdgeError: a file that cannot be understood, or other classes; nothing was written.
        LabelsError: `request.out` holds other labels.
    """
    found = read_similarities(request.similarities, request.made_with)
    _require_classes(request, found)
    root, pictures = _match(request, found.paths)
    settings = ImportSettings(
        from_similarities=_sha256(request.similarities),
        made_with_temperature=found.cached_temperature,
        images=digest_paths([picture.path for picture in pictures]),
    )
    existing = find_existing(request.out)
    if existing is not None and not request.force:
        before = existing.settings.to_dict()
        refuse_differences(request.out, describe_differences(before, settings.to_dict()))
    if existing and existing.complete and not (request.repair or request.force):
        refuse_damage(request.out, existing, digests=request.verify, besides=FILE_NAME)
        console.say("the similarities are in the store already")
        return existing
    _announce(found, console)
    if existing is not None:
        remove_labels(request.out)
    inputs = Inputs(
        similarities=str(_absolute(request.similarities)),
        images=str(request.images.resolve()) if request.images else None,
        root=str(root),
        pictures=len(pictures),
        paths_sha256=settings.images,
    )
    manifest = _describe(found, settings, inputs, -(-len(pictures) // PART_PICTURES))
    start_folder(request.out, manifest)
    write_list(request.out, (picture.path for picture in pictures))
    _store(request.out, found, pictures, manifest)
    return manifest


def _store(
    out: Location,
    found: Similarities,
    pictures: tuple[StoredPicture, ...],
    manifest: LabelsManifest,
) -> None:
    """Write the parts, of the readable pictures' values."""
    known_parts = PartsIndex(out)
    places = slice_parts(len(pictures), PART_PICTURES)
    for index, (place, values) in enumerate(zip(places, found.parts(PART_PICTURES), strict=True)):
        rows = pictures[place.start : place.stop]
        known = np.array([picture.reason is None for picture in rows])
        part = Part(rows, values[known])
        digest = manifest.similarities.digest
        written = write_part(out / part_name(index), part, "cosines", digest)
        known_parts.add(index, {FOLDER: written})
    known_parts.write()


def _sha256(file: Location) -> str:
    storage, name = open_parent(file)
    return storage.sha256(name)


def _absolute(file: Location) -> Location:
    return file.resolve() if isinstance(file, Path) else file


def _require_classes(request: ImportRequest, found: Similarities) -> None:
    if request.classes is None:
        return
    wanted = read_prompts(request.classes).classes
    if tuple(own_spelling(name, found.classes) for name in wanted) != found.classes.names:
        raise CdulEdgeError(
            f"{request.classes} does not name the classes of {request.similarities} in their "
            f"order: {', '.join(found.classes)}; leave --classes out"
        )


def _match(
    request: ImportRequest, names: Sequence[str]
) -> tuple[Location, tuple[StoredPicture, ...]]:
    """Find the pictures by path, file name or stem; what is not there is marked unreadable."""
    if len(set(names)) != len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise CdulEdgeError(
            f"{request.similarities} names a picture twice, {twice!r}: name each once"
        )
    if request.images is None:
        root = _absolute(request.similarities).parent
        return root, tuple(StoredPicture(name) for name in names)
    pictures = find_images(request.images)
    known: dict[str, set[str]] = defaultdict(set)
    for path in pictures.paths:
        clean = clean_path(path)
        for key in (clean, PurePosixPath(clean).name, PurePosixPath(clean).stem):
            known[key].add(path)
    matched = []
    taken: dict[str, str] = {}
    for name in names:
        fitting = sorted(known.get(clean_path(name), ()))
        if len(fitting) > 1:
            raise CdulEdgeError(
                f"{name!r} of {request.similarities} fits {fitting[0]!r} and {fitting[1]!r}: give "
                "paths in the file, or other IMAGES"
            )
        path = fitting[0] if fitting else name
        if path in taken:
            raise CdulEdgeError(
                f"{taken[path]!r} and {name!r} of {request.similarities} are the same picture, "
                f"{path!r}: name each once"
            )
        taken[path] = name
        reason = None if fitting else f"is not in {request.images}"
        matched.append(StoredPicture(path, reason=reason))
    if all(picture.reason for picture in matched):
        raise CdulEdgeError(
            f"none of the {len(names)} pictures of {request.similarities} is in {request.images}: "
            f"it has {pictures.paths[0]!r}, the file names {names[0]!r}"
        )
    return pictures.root, tuple(matched)


def _announce(found: Similarities, console: Console) -> None:
    if found.cached_temperature is None:
        console.say(f"cosines; the model's temperature is taken as {found.model_temperature:g}")
        return
    how = "detected from their spread" if found.detected else "given"
    console.say(
        f"softmax values at temperature {found.cached_temperature:.4g} ({how}); the model's own is "
        f"taken as {found.model_temperature:.4g}"
    )
    if found.snippets == "extremes":
        console.say(
            "only each class's best and worst snippet are known: at another temperature than the "
            "cached one their scores are an approximation"
        )


def _describe(
    found: Similarities, settings: ImportSettings, inputs: Inputs, parts: int
) -> LabelsManifest:
    return LabelsManifest(
        complete=False,
        settings=settings,
        classes=found.classes.names,
        prompts=None,
        templates=None,
        model=None,
        similarities=StoreFacts(
            views=found.views,
            snippets=found.snippets,
            parts=parts,
            model_temperature=found.model_temperature,
            cached_temperature=found.cached_temperature,
            digest=digest_settings(settings.to_dict()),
        ),
        inputs=inputs,
    )

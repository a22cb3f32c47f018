"""`cdul-edge label --from-similarities`: CLIP outputs made elsewhere enter the same store."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from cdul_edge.labelling.encode.console import Talk
from cdul_edge.labelling.encode.prompts import read_prompts
from cdul_edge.labelling.imported.similarity_files import Similarities, read_similarities
from cdul_edge.labelling.request import Scoring
from cdul_edge.labelling.store.parts import Part, part_name, slice_parts, write_part
from cdul_edge.labelling.store.resume import (
    find_existing,
    refuse_damage,
    remove_labels,
    remove_leftovers,
    write_pictures,
)
from cdul_edge.labelling.store.settings import digest_paths, digest_settings, require_same_settings
from cdul_edge.labelling.write_labels import Effort, LabelSummary, finish_labels
from cdul_edge.labels.folder import write_manifest
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import sha256_file
from cdul_edge_runtime.pictures.images import PictureList, find_images

PART_PICTURES = 4096  # no picture is read: parts need not be small to lose little


@dataclass(frozen=True)
class ImportRequest:
    """One run of `cdul-edge label --from-similarities`.

    Attributes:
        similarities: the NPZ or Parquet file.
        images: the pictures themselves, where training shall find them; None keeps the names.
        classes: a class file that must name the file's classes in their order.
        made_with: temperature of its softmax values; None takes the file's, or detects it.
    """

    similarities: Path
    out: Path
    images: Path | None = None
    classes: Path | None = None
    made_with: float | None = None
    scoring: Scoring = field(default_factory=Scoring)
    force: bool = False
    repair: bool = False


def label_from_similarities(request: ImportRequest, talk: Talk) -> LabelSummary:
    """Store the similarities, then make pseudo-labels of them.

    Raises:
        CdulEdgeError: a file that cannot be understood, or other classes; nothing was written.
        LabelsError: `request.out` holds other labels.
    """
    effort = Effort()
    found = read_similarities(request.similarities, request.made_with)
    _require_classes(request, found)
    pictures, reasons = _match(request, found.paths)
    settings = {
        "from_similarities": sha256_file(request.similarities),
        "made_with_temperature": found.cached_temperature,
        "images": digest_paths(pictures.paths),
    }
    existing = find_existing(request.out)
    if existing is not None and not request.force:
        require_same_settings(str(request.out), existing["settings"], settings)
    if existing and existing["complete"] and not (request.repair or request.force):
        refuse_damage(request.out, existing)
        talk.say("the similarities are in the store already")
        content = existing
    else:
        _announce(found, talk)
        if existing is not None:
            remove_labels(request.out)
        content = _store(request, found, pictures, reasons, settings)
    return finish_labels(request.out, content, request.scoring, effort, talk)


def _require_classes(request: ImportRequest, found: Similarities) -> None:
    if request.classes is None:
        return
    wanted = read_prompts(request.classes).classes
    if wanted != found.classes:
        raise CdulEdgeError(
            f"{request.classes} does not name the classes of {request.similarities} in their "
            f"order: {', '.join(found.classes)}; leave --classes out"
        )


def _match(
    request: ImportRequest, names: Sequence[str]
) -> tuple[PictureList, tuple[str | None, ...]]:
    """Find the pictures by path, file name or stem; what is not there is marked unreadable."""
    if len(set(names)) != len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise CdulEdgeError(
            f"{request.similarities} names a picture twice, {twice!r}: name each once"
        )
    if request.images is None:
        root = request.similarities.resolve().parent
        return PictureList(root, tuple(names)), (None,) * len(names)
    pictures = find_images(request.images)
    known: dict[str, set[str]] = defaultdict(set)
    for path in pictures.paths:
        for key in (path, PurePosixPath(path).name, PurePosixPath(path).stem):
            known[key].add(path)
    paths, reasons = [], []
    taken: dict[str, str] = {}
    for name in names:
        fitting = sorted(known.get(name, ()))
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
        paths.append(path)
        reasons.append(None if fitting else f"is not in {request.images}")
    if all(reasons):
        raise CdulEdgeError(
            f"none of the {len(names)} pictures of {request.similarities} is in {request.images}: "
            f"it has {pictures.paths[0]!r}, the file names {names[0]!r}"
        )
    return PictureList(pictures.root, tuple(paths)), tuple(reasons)


def _announce(found: Similarities, talk: Talk) -> None:
    if found.cached_temperature is None:
        talk.say(f"cosines; the model's temperature is taken as {found.model_temperature:g}")
        return
    how = "detected from their spread" if found.detected else "given"
    talk.say(
        f"softmax values at temperature {found.cached_temperature:.4g} ({how}); the model's own is "
        f"taken as {found.model_temperature:.4g}"
    )
    if found.snippets == "extremes":
        talk.say(
            "only each class's best and worst snippet are known: at another temperature than the "
            "cached one their scores are an approximation"
        )


def _store(
    request: ImportRequest,
    found: Similarities,
    pictures: PictureList,
    reasons: Sequence[str | None],
    settings: dict[str, Any],
) -> dict[str, Any]:
    parts = slice_parts(len(pictures), PART_PICTURES)
    content = _describe(request, found, pictures, settings, len(parts))
    remove_leftovers(request.out)
    write_manifest(request.out, content, [])
    write_pictures(request.out, pictures.paths)
    for index, places in enumerate(parts):
        rows = slice(places.start, places.stop)
        known = np.array([reason is None for reason in reasons[rows]])
        part = Part(
            paths=pictures.paths[rows],
            reasons=tuple(reasons[rows]),
            sizes=np.zeros((len(places), 2), np.int32),
            values=found.cosines[rows][known],
        )
        digest = content["similarities"]["digest"]
        write_part(request.out / part_name(index), part, "cosines", digest)
    return content


def _describe(
    request: ImportRequest,
    found: Similarities,
    pictures: PictureList,
    settings: dict[str, Any],
    parts: int,
) -> dict[str, Any]:
    return {
        "complete": False,
        "settings": settings,
        "classes": list(found.classes),
        "prompts": None,
        "templates": None,
        "model": None,
        "similarities": {
            "views": found.cosines.shape[1],
            "snippets": found.snippets,
            "parts": parts,
            "model_temperature": found.model_temperature,
            "cached_temperature": found.cached_temperature,
            "digest": digest_settings(settings),
        },
        "inputs": {
            "similarities": str(request.similarities.resolve()),
            "images": str(request.images.resolve()) if request.images else None,
            "root": str(pictures.root),
            "pictures": len(pictures),
            "paths_sha256": digest_paths(pictures.paths),
        },
    }

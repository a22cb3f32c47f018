"""A request together with what was read for it: class names and the list of pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cdul_edge.labelling.encode.prompts import Prompts, read_prompts
from cdul_edge.labelling.request import Kind, LabelRequest
from cdul_edge.labelling.store.resume import read_pictures
from cdul_edge.labelling.store.settings import (
    differing,
    digest_paths,
    require_same_pictures,
    require_same_settings,
)
from cdul_edge_runtime.errors import LabelsError
from cdul_edge_runtime.pictures.images import PictureList, find_images

Manifest = dict[str, Any]

PART_PICTURES: dict[Kind, int] = {"snippets": 512, "patches": 128}  # the latter of 26 MB, ViT-B/16
# What kept embeddings make cheap to change: only the text side of CLIP runs again.
TEXT_SETTINGS = ("classes", "prompts", "templates")


@dataclass(frozen=True)
class LabelTask:
    """What is to be labelled, and `settings`: everything that the similarities depend on."""

    request: LabelRequest
    prompts: Prompts
    pictures: PictureList
    settings: Manifest

    @property
    def picture_settings(self) -> Manifest:
        """The settings that the text has no part in."""
        return {key: value for key, value in self.settings.items() if key not in TEXT_SETTINGS}

    @property
    def text_settings(self) -> Manifest:
        """Classes, prompts and templates."""
        return {key: self.settings[key] for key in TEXT_SETTINGS}

    @property
    def inputs(self) -> Manifest:
        """Which pictures these are, for the manifest."""
        return {
            "images": str(self.request.images.resolve()),
            "root": str(self.pictures.root),
            "pictures": len(self.pictures),
            "paths_sha256": digest_paths(self.pictures.paths),
        }

    def answered_by(self, existing: Manifest) -> bool:
        """Whether a labels folder is finished and made with these very settings."""
        return existing["complete"] and not differing(_stored_settings(existing), self.settings)

    def require_same(self, existing: Manifest) -> None:
        """Raise `LabelsError`, naming what differs, when a folder cannot be gone on with.

        Where embeddings are kept, classes, prompts and templates may differ.
        """
        folder, stored = str(self.request.out), _stored_settings(existing)
        _require_same_kind(folder, stored.get("kind", "snippets"), self.request.scoring.kind)
        if stored.get("keep_embeddings"):
            stored |= self.text_settings
        require_same_settings(folder, stored, self.settings)
        if existing["inputs"]["paths_sha256"] != digest_paths(self.pictures.paths):
            require_same_pictures(folder, read_pictures(self.request.out), self.pictures.paths)


def read_task(request: LabelRequest, existing: Manifest | None) -> LabelTask:
    """Read the class file and list the pictures; `existing` is the manifest in `request.out`."""
    prompts = read_prompts(request.classes, request.templates)
    stored, kind = existing["settings"] if existing else {}, request.scoring.kind
    settings = {
        **request.picture_settings(),
        # both concern the store, not its numbers: what is there decides when nothing is asked
        "keep_embeddings": (
            request.keep_embeddings or kind == "patches" or stored.get("keep_embeddings", False)
        ),
        "part_pictures": request.part_pictures or stored.get("part_pictures", PART_PICTURES[kind]),
        "classes": list(prompts.classes),
        "prompts": prompts.to_dict(),
        "templates": list(prompts.templates),
    }
    return LabelTask(request, prompts, find_images(request.images), settings)


def _require_same_kind(folder: str, stored: Kind, wanted: Kind) -> None:
    if stored != wanted:
        hint = "give --strategy patches" if stored == "patches" else "give another --strategy"
        raise LabelsError(
            f"{folder} holds the similarities of {stored}, which this strategy cannot use: {hint}, "
            "choose another --out, or start anew with --force"
        )


def _stored_settings(existing: Manifest) -> Manifest:
    return {**existing["settings"], **{key: existing.get(key) for key in TEXT_SETTINGS}}

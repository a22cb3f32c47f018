"""The plan of a run: a request together with what was read for it, before CLIP is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from cdul_edge.labelling.encode.prompts import Prompts, read_prompts
from cdul_edge.labelling.request import LabelRequest
from cdul_edge.labelling.store.parts import slice_parts
from cdul_edge.labels.manifest import (
    ClipRun,
    ClipSettings,
    Inputs,
    LabelsManifest,
    StoreFacts,
)
from cdul_edge_runtime.errors import LabelsError
from cdul_edge_runtime.pictures.images import PictureList, find_images


@dataclass(frozen=True)
class LabelPlan:
    """What is to be labelled, and everything that the similarities depend on."""

    request: LabelRequest
    prompts: Prompts
    pictures: PictureList
    settings: ClipSettings

    @cached_property
    def parts(self) -> list[range]:
        """Places of each part's pictures in the list."""
        return slice_parts(len(self.pictures), self.settings.part_pictures)

    @cached_property
    def paths_sha256(self) -> str:
        """Of the list of pictures, in order."""
        return digest_paths(self.pictures.paths)

    def paths(self, part: int) -> tuple[str, ...]:
        """Paths of one part."""
        places = self.parts[part]
        return self.pictures.paths[places.start : places.stop]

    def count(self, parts: Sequence[int]) -> int:
        """Pictures of some parts."""
        return sum(len(self.parts[index]) for index in parts)

    def embedding_digest(self, model: ClipRun) -> str:
        """Of the settings behind the embeddings."""
        return digest_settings(self._behind(model))

    def manifest(self, model: ClipRun, views: int, temperature: float) -> LabelsManifest:
        """The manifest of the unfinished folder.

        Args:
            model: the CLIP that was loaded.
            views: rows per picture.
            temperature: of the model, 1 / logit_scale.
        """
        texts = self._texts()
        return LabelsManifest(
            complete=False,
            settings=self.settings,
            classes=self.prompts.classes.names,
            prompts={name: tuple(listed) for name, listed in self.prompts.to_dict().items()},
            templates=self.prompts.templates,
            model=model,
            similarities=StoreFacts(
                kind=self.settings.kind,
                views=views,
                snippets="all",
                parts=len(self.parts),
                model_temperature=temperature,
                cached_temperature=None,
                digest=digest_settings({**self._behind(model), **texts}),
            ),
            inputs=self.inputs,
        )

    @property
    def inputs(self) -> Inputs:
        """Which pictures these are, for the manifest."""
        return Inputs(
            images=str(self.request.images.resolve()),
            root=str(self.pictures.root),
            pictures=len(self.pictures),
            paths_sha256=self.paths_sha256,
        )

    def differs_from(self, existing: LabelsManifest) -> str:
        """The settings that other labels were made with, in words; empty where they are the same.

        Where embeddings are kept, classes, prompts and templates may differ.
        """
        stored = existing.settings
        if not isinstance(stored, ClipSettings):
            return "imported similarities (now CLIP's)"
        if stored.kind != self.settings.kind:
            return f"the similarities of {stored.kind} (now of {self.settings.kind})"
        texts = {} if stored.keep_embeddings else self._texts()
        before = {**stored.to_dict(), **{key: _text_setting(existing, key) for key in texts}}
        return describe_differences(before, {**self.settings.to_dict(), **texts})

    def has_texts_of(self, existing: LabelsManifest) -> bool:
        """Whether classes, prompts and templates are those of other labels."""
        texts = self._texts()
        return {key: _text_setting(existing, key) for key in texts} == texts

    def _behind(self, model: ClipRun) -> dict[str, object]:
        settings = self.settings.to_dict()
        return {**settings, "model": asdict(model), "pictures": self.paths_sha256}

    def _texts(self) -> dict[str, object]:
        """What kept embeddings make cheap to change: only the text side of CLIP runs again."""
        return {
            "classes": list(self.prompts.classes),
            "prompts": self.prompts.to_dict(),
            "templates": list(self.prompts.templates),
        }


def make_plan(request: LabelRequest, existing: LabelsManifest | None) -> LabelPlan:
    """Read the class file and list the pictures; `existing` is the manifest in `request.out`."""
    stored = existing.settings if existing else None
    settings = request.settings(stored if isinstance(stored, ClipSettings) else None)
    prompts = read_prompts(request.classes, request.templates)
    return LabelPlan(request, prompts, find_images(request.images), settings)


def digest_settings(settings: Mapping[str, object]) -> str:
    """SHA-256 of settings, whatever the order of their keys."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_paths(paths: Sequence[str]) -> str:
    """SHA-256 of paths in order; a newline inside a name counts."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.encode() + b"\0")
    return digest.hexdigest()


def describe_differences(stored: Mapping[str, object], asked: Mapping[str, object]) -> str:
    """Every setting that differs, as "name before (now after)"."""
    return ", ".join(
        f"{key} {_show(stored.get(key))} (now {_show(asked.get(key))})"
        for key in {**stored, **asked}
        if stored.get(key) != asked.get(key)
    )


def refuse_differences(folder: object, differences: str) -> None:
    """Raise `LabelsError` naming the settings that differ, if there are any."""
    if differences:
        raise LabelsError(
            f"{folder} was made with other settings: {differences}: give the same settings, choose "
            "another --out, or start over with --force"
        )


def _text_setting(manifest: LabelsManifest, key: str) -> object:
    if key == "prompts":
        return {name: list(listed) for name, listed in (manifest.prompts or {}).items()}
    return list(manifest.classes if key == "classes" else manifest.templates or ())


def _show(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= 60 else f"{text[:57]}…"

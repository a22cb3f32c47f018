"""The plan of a run: a request together with what was read for it, before CLIP is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from cdul_edge.clip.files import local_weights_sha256
from cdul_edge.labelling.encode.prompts import Prompts, read_prompts
from cdul_edge.labelling.request import LabelRequest
from cdul_edge.labelling.store.changes import Changes, find_changes, find_shard_changes
from cdul_edge.labelling.store.folder import WantedParts
from cdul_edge.labelling.store.parts import EMBEDDINGS_FOLDER, FOLDER
from cdul_edge.labelling.store.pictures import digest_paths
from cdul_edge.labelling.store.shard_list import stored_part_shards
from cdul_edge.labels.manifest import Inputs, LabelsManifest, StoreFacts
from cdul_edge.labels.settings import ClipRun, ClipSettings
from cdul_edge.sources.listed import ListedPictures
from cdul_edge.sources.open_source import open_source
from cdul_edge.sources.paths import PathList
from cdul_edge.sources.shards import ShardPictures
from cdul_edge.sources.source import PictureSource
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError

# How patch tokens are made (dense_tokens.py), for a store that was made otherwise to be refused.
TOKENS = "q-q + k-k attention, no residual, no MLP"


@dataclass(frozen=True)
class LabelPlan:
    """What is to be labeled, and everything that the similarities depend on."""

    request: LabelRequest
    prompts: Prompts
    source: PictureSource
    settings: ClipSettings

    @property
    def parts(self) -> range:
        """Numbers of the parts."""
        return range(self.source.parts)

    @cached_property
    def paths_sha256(self) -> str:
        """Of the list of pictures, or of shards, in order."""
        return self.source.fingerprint()

    def paths(self, part: int) -> tuple[str, ...] | None:
        """Paths of one part; None where only reading its shards tells them."""
        return None if self.source.pictures is None else self.source.paths(part)

    @property
    def listed(self) -> PathList:
        """All paths, of a folder or a list."""
        assert isinstance(self.source, ListedPictures)
        return self.source.names

    @property
    def unit(self) -> str:
        """What can be counted before all is read, in the plural."""
        return "parts" if self.source.pictures is None else "pictures"

    @property
    def total(self) -> int:
        """How many of the unit there are."""
        return self.source.parts if self.source.pictures is None else self.source.pictures

    @property
    def about_pictures(self) -> int:
        """How many pictures there are, or, in shards, would be of 100 kB each."""
        if isinstance(self.source, ShardPictures):
            return max(1, sum(shard.bytes for shard in self.source.shards) // 100_000)
        return self.total

    def count(self, parts: Sequence[int]) -> int:
        """How many of the unit are in some parts."""
        if self.source.pictures is None or not parts:
            return len(parts)
        size, last = self.settings.part_pictures, self.source.parts - 1
        missing = size * (last + 1) - self.source.pictures  # of the last part
        return len(parts) * size - (missing if last in parts else 0)

    def embedding_digest(self, model: ClipRun) -> str:
        """Of the settings behind the embeddings."""
        return digest_settings(self._behind(model))

    def cosine_digest(self, model: ClipRun) -> str:
        """Of the settings behind the cosines: those, and the texts."""
        return digest_settings({**self._behind(model), **self._texts()})

    def wanted_parts(self, model: ClipRun, existing: LabelsManifest | None) -> WantedParts:
        """What the parts are known by.

        Args:
            model: the CLIP that was loaded.
            existing: the manifest in the folder.
        """
        keep = self.settings.keep_embeddings
        older = {}
        if existing is not None:  # cdul-edge 0.1 took the list, and how it is cut, for settings
            listed = {"pictures": existing.inputs.paths_sha256}
            behind = {**self._behind(model), **listed, "part_pictures": self.settings.part_pictures}
            older = {
                EMBEDDINGS_FOLDER: digest_settings(behind),
                FOLDER: digest_settings({**behind, **self._texts()}),
            }
        return WantedParts(
            paths=[None if p is None else digest_paths(p) for p in map(self.paths, self.parts)],
            settings=self.cosine_digest(model),
            embeddings=self.embedding_digest(model) if keep else None,
            older=older,
        )

    def manifest(self, model: ClipRun, views: int, temperature: float) -> LabelsManifest:
        """The manifest of the unfinished folder.

        Args:
            model: the CLIP that was loaded.
            views: rows per picture.
            temperature: of the model, 1 / logit_scale.
        """
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
                digest=self.cosine_digest(model),
            ),
            inputs=self.inputs,
        )

    @property
    def inputs(self) -> Inputs:
        """Which pictures these are, for the manifest."""
        images = self.request.images
        return Inputs(
            images=str(images.resolve() if isinstance(images, Path) else images),
            root=str(self.source.root),
            pictures=self.source.pictures,
            paths_sha256=self.paths_sha256,
        )

    def compare(self, existing: LabelsManifest) -> Changes:
        """What became of the pictures, and of the texts, since the labels in the folder were made.

        Where embeddings are kept, classes, prompts and templates may differ.

        Raises:
            LabelsError: other settings, or pictures that changed and no --update; by name.
        """
        request, texts = self.request, self._texts()
        before = {key: _text_setting(existing, key) for key in texts}
        refuse_differences(request.out, self._differences(existing, before, texts))
        update, parts = request.update, existing.similarities.parts
        same_list = existing.inputs.paths_sha256 == self.paths_sha256
        if isinstance(self.source, ListedPictures):
            look = update or request.repair or request.verify
            changes = find_changes(
                request.out, parts, self.source, same_list=same_list, look=look, update=update
            )
        else:
            assert isinstance(self.source, ShardPictures)
            changes = find_shard_changes(request.out, parts, self.source, update=update)
        refused = changes.list_differs or (changes.replaced and not request.repair)
        if refused and not update:
            raise LabelsError(
                f"the {self._things} changed since {request.out} was made: {changes}: give "
                "--update to label what is new or replaced and drop what is gone, or choose "
                "another --out"
            )
        return replace(changes, texts=before != texts)

    def _differences(
        self, existing: LabelsManifest, before: Mapping[str, object], texts: Mapping[str, object]
    ) -> str:
        stored = existing.settings
        if not isinstance(stored, ClipSettings):
            return "imported similarities (now CLIP's)"
        if stored.kind != self.settings.kind:
            return f"the similarities of {stored.kind} (now of {self.settings.kind})"
        if stored.keep_embeddings:
            before = texts
        encoder, model = self.request.encoder, existing.model
        if encoder != "auto" and model is not None:
            before, texts = {**before, "encoder": model.encoder}, {**texts, "encoder": encoder}
        if model is not None and stored.precision == "auto" != self.settings.precision:
            before = {**before, "precision": f"auto, which took {model.precision}"}
        return describe_differences(
            {**stored.to_dict(), **before}, {**self.settings.to_dict(), **texts}
        )

    @property
    def _things(self) -> str:
        return "shards" if self.source.pictures is None else "pictures"

    def _behind(self, model: ClipRun) -> dict[str, object]:
        settings = self.settings.to_dict()
        del settings["part_pictures"]  # which pictures a part holds, it says itself
        return {**settings, "model": model.to_dict()}

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
    settings = make_settings(request, stored if isinstance(stored, ClipSettings) else None)
    prompts = read_prompts(request.classes, request.templates)
    part_shards = request.part_shards or (stored_part_shards(request.out) if existing else 1)
    source = open_source(request.images, settings.part_pictures, part_shards)
    if request.part_shards is not None and source.pictures is not None:
        raise CdulEdgeError(
            f"drop --part-shards: {request.images} names pictures, and not shards of them; "
            "--part-pictures is how many make a part"
        )
    return LabelPlan(request, prompts, source, settings)


def make_settings(request: LabelRequest, stored: ClipSettings | None = None) -> ClipSettings:
    """All that the embeddings depend on, as far as it is known before CLIP is loaded.

    Args:
        request: what was asked for.
        stored: of the labels in `out`: where nothing is asked for, the store's layout stays.
    """
    kind, views = request.scoring.kind, request.chosen_views
    kept, size = (stored.keep_embeddings, stored.part_pictures) if stored else (False, None)
    return ClipSettings(
        clip=absolute_name(request.clip),
        pretrained=None if request.pretrained is None else absolute_name(request.pretrained),
        seed=request.seed,
        weights_sha256=local_weights_sha256(request.clip, request.pretrained),
        grid=views.grid,
        overlap=views.overlap,
        fit=views.fit,
        precision=request.precision or "auto",  # either goes on as it was begun
        keep_embeddings=request.keep_embeddings or kind == "patches" or kept,
        part_pictures=request.part_pictures or size or views.part_pictures,
        kind=kind,
        tokens=TOKENS if kind == "patches" else None,
    )


def digest_settings(settings: Mapping[str, object]) -> str:
    """SHA-256 of settings, whatever the order of their keys."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


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


def absolute_name(name: str) -> str:
    """A local file is the same one from whatever folder it is named."""
    return str(Path(name).resolve()) if name and Path(name).exists() else name


def _text_setting(manifest: LabelsManifest, key: str) -> object:
    if key == "prompts":
        return {name: list(listed) for name, listed in (manifest.prompts or {}).items()}
    return list(manifest.classes if key == "classes" else manifest.templates or ())


def _show(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    return text if len(text) <= 60 else f"{text[:57]}…"

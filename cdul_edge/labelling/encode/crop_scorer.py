"""The CLIP behind a labels folder, for methods that show it pieces of the pictures later."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from cdul_edge.labelling.arrays import Pixels, Singles, softmax
from cdul_edge.labelling.encode.prompts import Prompts
from cdul_edge.labels.manifest import MANIFEST, LabelsManifest, read_manifest
from cdul_edge.labels.pseudo_labels import FILE_NAME
from cdul_edge.labels.settings import ClipRun, ClipSettings
from cdul_edge.storage.location import Location
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import LabelsError
from cdul_edge_runtime.pictures.preprocess import Preprocess, Resize

if TYPE_CHECKING:  # torch and open_clip are loaded when the CLIP is
    import torch

    from cdul_edge.clip.models import LoadedClip
    from cdul_edge.labelling.encode.encoder import ClipEncoder


class ClipOfLabels:
    """The CLIP that made a labels folder; `check` tells up front whether it is available."""

    def __init__(self, labels: Location) -> None:
        # a label file in its folder is as good as the folder
        self.folder = labels.parent if labels.name == FILE_NAME else labels

    def check(self) -> None:
        """See that CLIP's weights are on this machine, and are those that made the labels.

        Raises:
            LabelsError: no manifest, imported similarities, or other weights.
            CdulEdgeError: weights that are not available.
        """
        from cdul_edge.clip.models import fetch_weights

        _, settings, model = self._read()
        found = fetch_weights(settings.clip, settings.pretrained)
        self._require_same(settings, "weights_sha256", found, model.weights_sha256)

    def open(self, device: torch.device) -> ClipCropScorer:
        """Load CLIP as the folder's manifest says, and embed its prompts.

        Raises:
            CdulEdgeError: as `check`, or another model by the same name.
        """
        from cdul_edge.clip.models import load_clip
        from cdul_edge.labelling.encode.encoder import ClipEncoder

        manifest, settings, model = self._read()
        clip = load_clip(settings.clip, settings.pretrained, seed=settings.seed)
        expected = asdict(model)
        for key, value in asdict(clip.description).items():
            self._require_same(settings, key, value, expected[key])
        encoder = ClipEncoder(clip, "cuda" if device.type == "cuda" else "cpu")
        return ClipCropScorer(clip, encoder, _prompts(manifest), settings.fit)

    def _read(self) -> tuple[LabelsManifest, ClipSettings, ClipRun]:
        manifest = read_manifest(self.folder)
        if manifest is None:
            raise LabelsError(
                f"{self.folder} has no {MANIFEST}, so which CLIP made these labels is not known: "
                "give a folder of `cdul-edge label`"
            )
        if manifest.model is None or not isinstance(manifest.settings, ClipSettings):
            raise LabelsError(
                f"{self.folder} was imported with --from-similarities, so there is no CLIP that "
                "could look at its pictures: label them with --clip"
            )
        return manifest, manifest.settings, manifest.model

    def _require_same(
        self, settings: ClipSettings, key: str, found: object, expected: object
    ) -> None:
        if found != expected:
            raise LabelsError(
                f"the CLIP {settings.clip} is not the one that made {self.folder}: its {key} is "
                f"{found}, expected {expected}: restore it, or label the pictures again"
            )


class ClipCropScorer:
    """A CLIP with the prompts and templates of a labels folder."""

    def __init__(
        self, clip: LoadedClip, encoder: ClipEncoder, prompts: Prompts, fit: Resize
    ) -> None:
        from cdul_edge.labelling.encode.encoder import choose_batch_pictures

        self._encoder, self._temperature = encoder, clip.temperature
        self._texts = encoder.embed_texts(prompts)
        self._preprocess = encoder.preprocess(fit)
        self._batch = choose_batch_pictures(encoder.image_size_px, 1, encoder.device)

    @property
    def preprocess(self) -> Preprocess:
        """How a piece of a picture becomes the square input of S px: as the labels' views did."""
        return self._preprocess

    @property
    def batch_crops(self) -> int:
        """How many pieces fill the device."""
        return self._batch

    def score(self, crops: Pixels) -> Singles:
        """(K, C) softmax over the classes, at the model's temperature, of (K, S, S, 3) uint8."""
        vectors = self._encoder.embed_views(crops[:, None])[:, 0]
        return softmax(vectors @ self._texts.T, self._temperature).astype(np.float32)


def _prompts(manifest: LabelsManifest) -> Prompts:
    classes = ClassList(manifest.classes)
    prompts = manifest.prompts or {}
    return Prompts(classes, tuple(prompts[name] for name in classes), manifest.templates or ())

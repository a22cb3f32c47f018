"""The CLIP behind a labels folder, for whoever wants to show it pieces of the pictures later."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cdul_edge.labelling.encode.prompts import Prompts
from cdul_edge.labels.folder import MANIFEST, read_manifest
from cdul_edge.labels.pseudo_labels import FILE_NAME
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import LabelsError
from cdul_edge_runtime.pictures.preprocess import Preprocess

if TYPE_CHECKING:  # torch and open_clip are loaded when the CLIP is
    import torch

    from cdul_edge.clip.models import LoadedClip
    from cdul_edge.labelling.encode.encoder import ClipEncoder

Pixels = npt.NDArray[np.uint8]


class ClipOfLabels:
    """Where the CLIP that made a labels folder is to be had; it says no before it is needed."""

    def __init__(self, labels: Path) -> None:
        # a label file in its folder is as good as the folder
        self.folder = labels.parent if labels.name == FILE_NAME else labels

    def check(self) -> None:
        """See that CLIP's weights are on this machine, and are those that made the labels.

        Raises:
            LabelsError: no manifest, imported similarities, or other weights.
            CdulEdgeError: weights that cannot be had.
        """
        from cdul_edge.clip.models import fetch_weights

        manifest = self._manifest()
        settings = manifest["settings"]
        found = fetch_weights(settings["clip"], settings["pretrained"])
        self._require_same("weights_sha256", found, manifest)

    def open(self, device: torch.device) -> ClipCropScorer:
        """Load CLIP as the folder's manifest says, and embed its prompts.

        Raises:
            CdulEdgeError: as `check`, or another model by the same name.
        """
        from cdul_edge.clip.models import load_clip
        from cdul_edge.labelling.encode.encoder import ClipEncoder

        manifest = self._manifest()
        settings = manifest["settings"]
        clip = load_clip(settings["clip"], settings["pretrained"], seed=settings["seed"])
        for key, value in clip.description.items():
            self._require_same(key, value, manifest)
        encoder = ClipEncoder(clip, "cuda" if device.type == "cuda" else "cpu")
        return ClipCropScorer(clip, encoder, _prompts(manifest), settings["fit"])

    def _manifest(self) -> dict[str, Any]:
        manifest = read_manifest(self.folder) if self.folder.is_dir() else None
        if manifest is None:
            raise LabelsError(
                f"{self.folder} has no {MANIFEST}, so which CLIP made these labels is not known: "
                "give a folder of `cdul-edge label`"
            )
        if manifest["model"] is None:
            raise LabelsError(
                f"{self.folder} was imported with --from-similarities, so there is no CLIP that "
                "could look at its pictures: label them with --clip"
            )
        return manifest

    def _require_same(self, key: str, found: Any, manifest: dict[str, Any]) -> None:
        expected = manifest["model"].get(key)
        if found != expected:
            raise LabelsError(
                f"the CLIP {manifest['settings']['clip']} is not the one that made {self.folder}: "
                f"its {key} is {found}, expected {expected}: restore it, or label anew"
            )


class ClipCropScorer:
    """A CLIP with the prompts and templates of a labels folder."""

    def __init__(self, clip: LoadedClip, encoder: ClipEncoder, prompts: Prompts, fit: Any) -> None:
        from cdul_edge.labelling.store.similarities import choose_batch_pictures

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

    def score(self, crops: Pixels) -> npt.NDArray[np.float32]:
        """(K, C) softmax over the classes, at the model's temperature, of (K, S, S, 3) uint8."""
        vectors = self._encoder.embed_views(crops[:, None])[:, 0]
        logits = (vectors @ self._texts.T).astype(np.float64) / self._temperature
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: npt.NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
        return shares.astype(np.float32)


def _prompts(manifest: dict[str, Any]) -> Prompts:
    classes = ClassList(tuple(manifest["classes"]))
    listed = tuple(tuple(manifest["prompts"][name]) for name in classes)
    return Prompts(classes, listed, tuple(manifest["templates"]))

"""The CLIP of a labels folder, opened again to look at pieces of its pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cdul_edge.labelling.encode.crop_scorer import ClipOfLabels
from cdul_edge.labelling.store.parts import part_name, read_part
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.images import open_image

CPU = torch.device("cpu")


def change_manifest(folder: Path, **changes: Any) -> None:
    file = folder / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize("fit", ["squash", "center", "letterbox"])
def test_a_whole_picture_scores_as_it_did_when_it_was_labelled(
    label: Any, pictures: Path, fit: str
) -> None:
    from cdul_edge.labelling.decode.views import Views

    label(views=Views(fit=fit), templates=("a {}", "two {}"))  # type: ignore[arg-type]
    source = ClipOfLabels(label.out)
    source.check()
    scorer = source.open(CPU)
    part = read_part(label.out / part_name(0), "cosines")
    manifest = json.loads((label.out / "manifest.json").read_text())
    whole = part.values[:, 0].astype(np.float64) / manifest["similarities"]["model_temperature"]
    expected = np.exp(whole) / np.exp(whole).sum(axis=1, keepdims=True)
    crops = np.stack([scorer.preprocess.apply(open_image(pictures / p)) for p in part.paths])
    assert crops.shape == (3, 32, 32, 3)
    np.testing.assert_allclose(scorer.score(crops), expected, rtol=1e-4)
    assert scorer.batch_crops >= 1


def test_a_label_file_in_its_folder_is_as_good_as_the_folder(label: Any) -> None:
    label()
    ClipOfLabels(label.out / "pseudo_labels.parquet").check()


def test_labels_without_a_manifest_name_no_clip(label: Any, tmp_path: Path) -> None:
    label()
    bare = tmp_path / "bare.parquet"
    bare.write_bytes((label.out / "pseudo_labels.parquet").read_bytes())
    (tmp_path / "folder").mkdir()
    for path in (bare, tmp_path / "folder"):
        with pytest.raises(CdulEdgeError, match=r"has no manifest.json, so which CLIP made"):
            ClipOfLabels(path).check()


def test_imported_similarities_have_no_clip(label: Any) -> None:
    label()
    change_manifest(label.out, model=None, prompts=None, templates=None)
    with pytest.raises(CdulEdgeError, match="was imported with --from-similarities"):
        ClipOfLabels(label.out).check()


def test_other_weights_under_the_same_name_are_refused(label: Any) -> None:
    label(clip="demo", pretrained=None)
    model = json.loads((label.out / "manifest.json").read_text())["model"]
    ClipOfLabels(label.out).check()
    change_manifest(label.out, model={**model, "weights_sha256": "91c0"})
    message = "the CLIP demo is not the one that made .*: its weights_sha256 is a270.*expected 91c0"
    with pytest.raises(CdulEdgeError, match=message):
        ClipOfLabels(label.out).check()
    with pytest.raises(CdulEdgeError, match=message):
        ClipOfLabels(label.out).open(CPU)


def test_weights_that_are_gone_are_said_before_they_are_needed(label: Any) -> None:
    label()
    settings = json.loads((label.out / "manifest.json").read_text())["settings"]
    change_manifest(label.out, settings={**settings, "pretrained": "/nowhere/weights.pt"})
    with pytest.raises(CdulEdgeError, match=r"/nowhere/weights.pt does not exist"):
        ClipOfLabels(label.out).check()

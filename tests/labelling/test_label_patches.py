"""`label --strategy patches` from pictures to pseudo-labels, and what does not go with it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge.clip.models import load_clip
from cdul_edge.labelling import Scoring
from cdul_edge.labelling.decode.views import WholePicture, cut_views
from cdul_edge.labelling.encode.patch_encoder import PatchEncoder
from cdul_edge.labelling.encode.prompts import read_prompts
from cdul_edge.labelling.error_limit import ErrorLimit
from cdul_edge.labelling.score.patches.patch_scores import PatchScoring
from cdul_edge.labelling.store.parts import EMBEDDINGS_FOLDER, part_name, read_part
from cdul_edge.labelling.store.reader import StoreReader
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from cdul_edge_runtime.pictures.images import open_image


@pytest.fixture
def patches(label: Any, tiny_vit: Path) -> Any:
    """`label`, with patches for snippets."""

    def run(**changes: Any) -> Any:
        given = {"scoring": Scoring("patches"), "views": WholePicture(), "clip": str(tiny_vit)}
        return label(**{**given, **changes})

    run.out, run.said = label.out, label.said  # type: ignore[attr-defined]
    return run


def files(out: Path) -> dict[str, bytes]:
    """Everything of the store."""
    return {
        str(file.relative_to(out)): file.read_bytes()
        for folder in ("similarities", EMBEDDINGS_FOLDER)
        for file in sorted((out / folder).iterdir())
    }


def test_the_store_holds_the_whole_picture_and_every_patch(
    patches: Any, pictures: Path, classes: Path, tiny_vit: Path
) -> None:
    patches()
    encoder = PatchEncoder(load_clip(str(tiny_vit), "none"), "cpu")
    views = np.zeros((1, 1, 32, 32, 3), np.uint8)
    cut_views(
        open_image(pictures / "004.jpg"), WholePicture(), encoder.preprocess("squash"), views[0]
    )
    expected = encoder.embed_views(views)[0].astype(np.float32)
    embeddings = read_part(patches.out / part_name(1, EMBEDDINGS_FOLDER), "embeddings")
    assert embeddings.values.shape == (3, 17, 16)
    assert embeddings.values[1] == pytest.approx(expected, abs=1e-3)
    cosines = read_part(patches.out / part_name(1), "cosines").values
    texts = encoder.embed_texts(read_prompts(classes))
    assert cosines == pytest.approx(embeddings.values @ texts.T, abs=1e-6)
    manifest = json.loads((patches.out / "manifest.json").read_text())
    assert manifest["similarities"]["kind"] == "patches"
    assert manifest["similarities"]["views"] == 17
    assert manifest["pseudo_labels"]["strategy"] == "patches"


def test_pseudo_labels_are_the_scores_of_all_patches(patches: Any, tiny_vit: Path) -> None:
    summary = patches(scoring=Scoring("patches", temperature="0.05"))
    assert (summary.labelled, summary.scored) == (7, 7)
    store = StoreReader(patches.out, 3)
    fitted = PatchScoring(0.05).fit(store, ("cat", "dog", "cow"))
    found = [fitted.apply(store, index) for index in range(3)]
    labels = PseudoLabels.read(patches.out)
    assert labels.paths == tuple(path for part in found for path in part.paths)
    assert (labels.scores == np.concatenate([part.scores for part in found])).all()
    whole = [store.cosines(index).values[:, 0] for index in range(3)]
    assert (np.concatenate([part.cosines for part in found]) == np.concatenate(whole)).all()


def test_many_pictures_are_scored_by_the_patches_of_some(patches: Any) -> None:
    patches()
    store = StoreReader(patches.out, 3)
    fitted = PatchScoring(0.05, sample=6).fit(store, ("cat", "dog", "cow"))
    assert (fitted.settings["fitted_to"], fitted.settings["of"]) == (6, 7)
    found = np.concatenate([fitted.apply(store, index).scores for index in range(3)])
    assert found.shape == (7, 3)
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_a_picture_has_its_score_in_whatever_order_and_parts(
    patches: Any, pictures: Path, tmp_path: Path
) -> None:
    patches()
    listed = sorted(pictures.iterdir(), reverse=True)
    (tmp_path / "list.txt").write_text("\n".join(map(str, listed)))
    patches(images=tmp_path / "list.txt", out=tmp_path / "other", part_pictures=5)
    one, other = PseudoLabels.read(patches.out), PseudoLabels.read(tmp_path / "other")
    places = [[Path(path).name for path in other.paths].index(path) for path in one.paths]
    assert places != list(range(7))
    assert other.scores[places] == pytest.approx(one.scores, abs=1e-4)
    assert one.scores.std(axis=0).min() > 1e-3


def test_permuting_the_classes_permutes_the_columns(
    patches: Any, classes: Path, tmp_path: Path
) -> None:
    patches()
    classes.write_text("cow\ncat\ndog\n")
    patches(out=tmp_path / "other")
    one, other = PseudoLabels.read(patches.out), PseudoLabels.read(tmp_path / "other")
    assert other.scores == pytest.approx(one.scores[:, [2, 0, 1]], abs=1e-4)


def test_an_interrupted_run_ends_with_the_same_bytes(
    patches: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = 0

    def interrupt(self: ErrorLimit, pictures: Any) -> None:
        nonlocal seen
        seen += len(pictures)
        if seen > 4:  # the second batch of the second part of three
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ErrorLimit, "add", interrupt)
        with pytest.raises(KeyboardInterrupt):
            patches()
    assert len(files(patches.out)) == 2
    assert patches().scored == 4
    patches(out=tmp_path / "uninterrupted", workers=1, threads=2)
    assert files(patches.out) == files(tmp_path / "uninterrupted")
    one, other = PseudoLabels.read(patches.out), PseudoLabels.read(tmp_path / "uninterrupted")
    assert one.scores.tobytes() == other.scores.tobytes()


def test_other_scores_need_no_clip_and_no_picture(
    patches: Any, spoil: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches()
    before, first = files(patches.out), PseudoLabels.read(patches.out)
    spoil()
    monkeypatch.delitem(sys.modules, "cdul_edge.labelling.fill_store")
    monkeypatch.setitem(sys.modules, "open_clip", None)
    assert patches(scoring=Scoring("patches", temperature="0.2")).scored == 0
    assert "CLIP is not run" in patches.said.getvalue()
    assert files(patches.out) == before
    assert (PseudoLabels.read(patches.out).scores != first.scores).any()


def test_other_prompts_need_no_picture(
    patches: Any, spoil: Any, pictures: Path, classes: Path, tmp_path: Path
) -> None:
    patches()
    shutil.copytree(pictures, tmp_path / "copy")
    spoil()
    classes.write_text("cat: kitten | cat\ndog\nfish\n")
    assert patches().scored == 0
    patches(images=tmp_path / "copy", out=tmp_path / "direct")
    assert files(tmp_path / "direct") == files(patches.out)


@pytest.mark.parametrize("folder", ["similarities", EMBEDDINGS_FOLDER])
def test_a_missing_part_is_made_again_on_request_and_to_the_byte(patches: Any, folder: str) -> None:
    patches()
    before = files(patches.out)
    (patches.out / part_name(1, folder)).unlink()
    with pytest.raises(LabelsError, match=r"part-00001.parquet is missing: .*--repair"):
        patches()
    patches(repair=True)
    assert files(patches.out) == before


def test_unreadable_pictures_are_skipped_and_shift_no_row(patches: Any, pictures: Path) -> None:
    for name in ("002.jpg", "004.jpg", "006.jpg"):  # the last part holds nothing else
        (pictures / name).write_bytes(b"")
    summary = patches()
    assert [one.path for one in summary.skipped] == ["002.jpg", "004.jpg", "006.jpg"]
    assert PseudoLabels.read(patches.out).paths == ("000.jpg", "001.jpg", "003.jpg", "005.jpg")
    empty = read_part(patches.out / part_name(2, EMBEDDINGS_FOLDER), "embeddings")
    assert empty.values.shape == (0, 17, 16)
    for file in pictures.iterdir():
        file.write_bytes(b"")
    with pytest.raises(CdulEdgeError, match="none of the 7 pictures can be read"):
        patches(out=patches.out.parent / "none")


def test_equal_pictures_have_equal_scores_and_what_no_patch_shows_is_said(
    patches: Any, pictures: Path
) -> None:
    for file in pictures.iterdir():
        Image.new("RGB", (40, 40), "teal").save(file)
    patches()
    scores = PseudoLabels.read(patches.out).scores
    assert np.isfinite(scores).all()
    assert (scores == scores[0]).all()
    assert "most: scored by the whole picture alone" in patches.said.getvalue()


def test_snippets_and_patches_do_not_share_a_folder(
    label: Any, patches: Any, tiny_vit: Path
) -> None:
    label(clip=str(tiny_vit))
    with pytest.raises(
        LabelsError, match=r"similarities of snippets \(now of patches\): .*--force"
    ):
        patches()
    patches(force=True)
    with pytest.raises(LabelsError, match=r"of patches \(now of snippets\)"):
        label(clip=str(tiny_vit))


def run(pictures: Path, classes: Path, clip: Path | str, *more: str) -> str:
    """The one line of a refused command."""
    out = pictures.parent / "labels"
    result = CliRunner().invoke(
        app,
        ["label", str(pictures), "--classes", str(classes), "--out", str(out), "--clip", str(clip)]
        + ["--workers", "0", "--strategy", "patches", *more],
    )
    assert result.exit_code == 2, result.output
    assert not out.exists()
    (line,) = [line for line in result.stderr.splitlines() if line.strip()]
    return line


def test_what_does_not_go_with_patches_is_refused_in_one_line(
    pictures: Path, classes: Path, tiny_vit: Path
) -> None:
    none = ("--pretrained", "none")
    for more, fault in (
        (("--grid", "3x3"), "drop --grid: it is about snippets"),
        (("--overlap", "0"), "drop --overlap: it is about snippets"),
        (("--lambda", "0.5"), "--lambda is about snippets"),
        (("--fusion", "pooled"), "pooled fusion is defined for"),
    ):
        assert fault in run(pictures, classes, tiny_vit, *none, *more)
    assert "demo has a vision tower of another kind" in run(pictures, classes, "demo")


def test_imported_similarities_have_no_patches(tmp_path: Path) -> None:
    arguments = ["--from-similarities", "x.npz", "--out", str(tmp_path / "labels")]
    result = CliRunner().invoke(app, ["label", *arguments, "--strategy", "patches"])
    assert result.exit_code == 2
    assert "--strategy patches needs the embeddings of patches" in result.stderr


def test_the_command_labels_by_patches(pictures: Path, classes: Path, tiny_vit: Path) -> None:
    out = pictures.parent / "labels"
    result = CliRunner().invoke(
        app,
        ["label", str(pictures), "--classes", str(classes), "--out", str(out), "--workers", "0"]
        + ["--clip", str(tiny_vit), "--pretrained", "none", "--strategy", "patches"],
    )
    assert result.exit_code == 0, result.output
    assert "7 pictures labeled" in result.stderr
    assert PseudoLabels.read(out).provenance["aggregation"]["strategy"] == "patches"
    shown = CliRunner().invoke(app, ["info", str(out)]).stdout
    assert "the whole picture and its 16 patches, fit squash" in shown
    assert "random weights, seed 0" in shown

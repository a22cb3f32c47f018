"""A run of labeling: what it writes, what it does not do twice, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge.clip.models import load_clip
from cdul_edge.labelling import Scoring
from cdul_edge.labelling.decode.views import Views, cut_views
from cdul_edge.labelling.encode.encoder import ClipEncoder
from cdul_edge.labelling.encode.prompts import read_prompts
from cdul_edge.labelling.score.aggregation import Aggregation
from cdul_edge.labelling.store.parts import part_name, read_part
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from cdul_edge_runtime.pictures.images import open_image


def manifest(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "manifest.json").read_text())
    return found


def test_the_store_holds_each_views_cosines_as_computed_one_by_one(
    label: Any, pictures: Path, classes: Path, tiny_clip: Path
) -> None:
    label()
    encoder = ClipEncoder(load_clip(str(tiny_clip), "none"), "cpu")
    texts = encoder.embed_texts(read_prompts(classes))
    part = read_part(label.out / part_name(1), "cosines")
    assert part.paths == ("003.jpg", "004.jpg", "005.jpg")
    assert {(p.width_px, p.height_px) for p in part.pictures} == {(50, 40)}
    views = np.zeros((1, 10, 32, 32, 3), np.uint8)
    cut_views(open_image(pictures / "004.jpg"), Views(), encoder.preprocess("squash"), views[0])
    assert part.values[1] == pytest.approx((encoder.embed_views(views) @ texts.T)[0], abs=1e-6)


def test_pseudo_labels_follow_from_the_store(label: Any) -> None:
    summary = label(scoring=Scoring("max", temperature="0.05"))
    labels = PseudoLabels.read(label.out)
    assert labels.paths == tuple(f"{index:03}.jpg" for index in range(7))
    assert labels.classes.names == ("cat", "dog", "cow")
    cosines = np.concatenate(
        [read_part(label.out / part_name(i), "cosines").values for i in range(3)]
    )
    assert (labels.scores == Aggregation(0.05, "max").scores(cosines)).all()
    assert summary.labelled == summary.scored == 7
    shown = [(labels.scores[:, c] >= 0.5).sum() for c in range(3)]
    assert [row.above_threshold for row in summary.classes] == shown
    assert summary.unseen == tuple(n for n, k in zip(labels.classes, shown, strict=True) if k == 0)


def test_the_temperature_is_the_models_own_by_default(label: Any, tiny_clip: Path) -> None:
    label()
    scale = load_clip(str(tiny_clip), "none").logit_scale
    assert manifest(label.out)["pseudo_labels"]["temperature"] == pytest.approx(1 / scale)


def test_batches_and_workers_do_not_change_a_bit_of_the_scores(label: Any, tmp_path: Path) -> None:
    label()
    label(out=tmp_path / "other", workers=2, threads=2)
    assert label.parts(tmp_path / "other") == label.parts()


def test_another_strategy_reads_no_picture_and_leaves_the_store_alone(
    label: Any, spoil: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    label()
    before, first = label.parts(), PseudoLabels.read(label.out)
    spoil()  # still listed, but not to be read again
    monkeypatch.delitem(sys.modules, "cdul_edge.labelling.fill_store")
    monkeypatch.setitem(sys.modules, "open_clip", None)
    summary = label(scoring=Scoring("global", temperature="0.1"))
    assert summary.scored == 0
    assert "CLIP is not run" in label.said.getvalue()
    assert "pseudo_labels.parquet is replaced: its settings were" in label.said.getvalue()
    assert label.parts() == before
    assert (PseudoLabels.read(label.out).scores != first.scores).any()


def test_a_missing_part_is_made_again_only_on_request_and_to_the_byte(label: Any) -> None:
    label()
    before = label.parts()
    (label.out / part_name(1)).unlink()
    with pytest.raises(LabelsError, match=r"part-00001.parquet is missing: .*--repair"):
        label()
    assert label(repair=True).scored == 3
    assert label.parts() == before


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_part_is_refused_and_made_again_on_request(label: Any, damage: str) -> None:
    label()
    before = label.parts()
    part = label.out / part_name(2)
    content = bytearray(part.read_bytes())
    if damage == "cut":
        part.write_bytes(content[:-50])
        with pytest.raises(LabelsError, match=r"part-00002.parquet has \d+ bytes, expected"):
            label()
    else:
        content[content.index(read_part(part, "cosines").values.tobytes()[:16])] ^= 1
        part.write_bytes(content)
        label()  # a listing cannot tell
        with pytest.raises(LabelsError, match=r"part-00002.parquet is not the file that was"):
            label(verify=True)
    label(repair=True)
    assert label.parts() == before


@pytest.mark.parametrize("damage", ["cut", "edited", "gone"])
def test_parts_outlive_their_manifest_but_never_under_other_settings(
    label: Any, damage: str
) -> None:
    label()
    before, file = label.parts(), label.out / "manifest.json"
    whole, labels = file.read_bytes(), (label.out / "pseudo_labels.parquet").read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        edited = json.dumps({**json.loads(whole), "classes": 3}).encode()
        file.write_bytes(whole[:99] if damage == "cut" else edited)
    with pytest.raises(LabelsError, match=r"manifest\.json.* `cdul-edge label` command with --rep"):
        label()
    with pytest.raises(LabelsError, match="was made with other settings, and no manifest tells"):
        label(repair=True, seed=1)
    assert label.parts() == before
    assert label(repair=True).scored == 0
    assert (label.parts(), file.read_bytes()) == (before, whole)
    assert (label.out / "pseudo_labels.parquet").read_bytes() == labels


def test_an_unfinished_folder_is_gone_on_with_and_not_read(label: Any) -> None:
    label()
    before = label.parts()
    content = manifest(label.out)
    (label.out / "manifest.json").write_text(json.dumps({**content, "complete": False}))
    (label.out / part_name(0)).unlink()
    (label.out / part_name(2)).unlink()
    half = label.out / "similarities" / ".part-00002.parquet.x.tmp"
    half.write_bytes(b"half")
    os.utime(half, (1, 1))  # nobody writes on it any more
    with pytest.raises(LabelsError, match="not finished"):
        PseudoLabels.read(label.out)
    assert label().scored == 4
    assert "3 of 7 pictures are labeled already" in label.said.getvalue()
    assert label.parts() == before
    assert not list(label.out.rglob("*.tmp"))


def test_kept_embeddings_give_other_prompts_without_reading_a_picture(
    label: Any, spoil: Any, pictures: Path, classes: Path, tmp_path: Path
) -> None:
    label(keep_embeddings=True)
    shutil.copytree(pictures, tmp_path / "copy")
    spoil()
    classes.write_text("cat: kitten | cat\ndog\nfish\n")
    summary = label(templates=("{}", "the {}"))
    assert summary.scored == 0
    assert "only CLIP's text side is run" in label.said.getvalue()
    assert [row.name for row in summary.classes] == ["cat", "dog", "fish"]
    direct = {"images": tmp_path / "copy", "out": tmp_path / "direct", "keep_embeddings": True}
    label(**direct, templates=("{}", "the {}"))
    assert label.parts(tmp_path / "direct") == label.parts()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"views": Views(2, 2)}, r"grid 3x3 \(now 2x2\)"),
        ({"views": Views(fit="center")}, r"fit squash \(now center\)"),
        ({"views": Views(overlap=0.1)}, r"overlap 0.0 \(now 0.1\)"),
        ({"templates": ("{}",)}, r"templates .*\(now \[\"\{\}\"\]\)"),
        ({"seed": 1}, r"seed 0 \(now 1\)"),
        ({"part_pictures": 4}, r"part_pictures 3 \(now 4\)"),
        ({"keep_embeddings": True}, r"keep_embeddings false \(now true\)"),
        ({"precision": "bf16", "seed": 2}, r"seed .*precision auto, which took fp32 \(now bf16\)"),
    ],
)
def test_other_settings_are_refused_by_name(label: Any, changes: Any, named: str) -> None:
    label()
    before = label.parts()
    with pytest.raises(LabelsError, match=named):
        label(**changes)
    assert label.parts() == before


def test_other_classes_are_refused_unless_forced(label: Any, classes: Path) -> None:
    label()
    classes.write_text("cat\ndog\nsheep\n")
    with pytest.raises(LabelsError, match=r"classes .*cow.* \(now .*sheep"):
        label()
    label(force=True)
    assert manifest(label.out)["classes"] == ["cat", "dog", "sheep"]


def test_another_list_of_pictures_is_refused_by_what_was_added_and_is_gone(
    label: Any, pictures: Path
) -> None:
    label()
    shutil.copy(pictures / "003.jpg", pictures / "new.jpg")
    (pictures / "001.jpg").unlink()
    with pytest.raises(LabelsError, match=r"1 new \('new.jpg'\), 1 gone \('001.jpg'\)"):
        label()
    assert label(force=True).labelled == 7


def test_a_folder_of_another_format_or_kind_is_refused(label: Any) -> None:
    label()
    content = manifest(label.out)
    (label.out / "manifest.json").write_text(json.dumps({**content, "format": 99}))
    with pytest.raises(LabelsError, match="has labels format 99"):
        label()
    with pytest.raises(LabelsError, match="has labels format 99"):
        PseudoLabels.read(label.out)
    (label.out / "manifest.json").write_text("{}")
    with pytest.raises(LabelsError, match="not the manifest of a labels folder"):
        label()


def test_what_is_no_labels_folder_is_left_alone(label: Any) -> None:
    label.out.mkdir()
    (label.out / "thesis.txt").write_text("precious")
    for force in (False, True):
        with pytest.raises(CdulEdgeError, match="exists and is not a labels folder"):
            label(force=force)
    assert [file.name for file in label.out.iterdir()] == ["thesis.txt"]


def test_unreadable_pictures_are_skipped_with_path_and_reason(label: Any, pictures: Path) -> None:
    (pictures / "002.jpg").write_bytes(b"")
    (pictures / "004.jpg").write_text("no picture at all")
    whole = (pictures / "006.jpg").read_bytes()
    (pictures / "006.jpg").write_bytes(whole[: len(whole) // 2])
    summary = label()
    assert summary.labelled == 4
    assert [one.path for one in summary.skipped] == ["002.jpg", "004.jpg", "006.jpg"]
    assert summary.skipped[0].reason == "is empty (0 bytes)"
    labels = PseudoLabels.read(label.out)
    assert labels.paths == ("000.jpg", "001.jpg", "003.jpg", "005.jpg")
    # the last part holds nothing else, and the rows before and after are not shifted
    assert read_part(label.out / part_name(2), "cosines").values.shape == (0, 10, 3)
    assert manifest(label.out)["counts"] == {"pictures": 7, "labelled": 4, "skipped": 3}


def test_skipping_shifts_no_row(label: Any, pictures: Path, tmp_path: Path) -> None:
    label()
    complete = PseudoLabels.read(label.out)
    (pictures / "003.jpg").write_bytes(b"")
    label(out=tmp_path / "other")
    partial = PseudoLabels.read(tmp_path / "other")
    rows = [complete.paths.index(path) for path in partial.paths]
    assert partial.scores == pytest.approx(complete.scores[rows], abs=1e-6)


def test_too_many_errors_stop_the_run_and_say_so(label: Any, pictures: Path) -> None:
    for name in ("004.jpg", "005.jpg"):
        (pictures / name).write_bytes(b"")
    with pytest.raises(CdulEdgeError, match=r"2 pictures .* --max-errors 1; the last is '005.jpg'"):
        label(max_errors=1)
    assert len(label.parts()) == 1  # the finished part is kept
    with pytest.raises(CdulEdgeError, match="--max-errors 0"):
        label(max_errors=0)
    assert label(max_errors=2).labelled == 5


def test_when_no_picture_can_be_read_nothing_is_written(label: Any, pictures: Path) -> None:
    for file in pictures.iterdir():
        file.write_bytes(b"")
    with pytest.raises(CdulEdgeError, match="none of the 7 pictures can be read; the first"):
        label()
    assert not label.out.exists()


def test_wrong_input_writes_nothing(label: Any, classes: Path, tmp_path: Path) -> None:
    for changes, fault in (
        ({"clip": "RN5O"}, "near: RN50"),
        ({"clip": "RN50", "pretrained": "opnai"}, "near: openai"),
        ({"classes": tmp_path / "none.txt"}, "does not exist"),
        ({"images": tmp_path / "none"}, "does not exist"),
        ({"images": tmp_path / "empty"}, "no pictures"),
    ):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(CdulEdgeError, match=fault):
            label(**changes)
        assert not label.out.exists()
    with pytest.raises(CdulEdgeError, match="logit_scale"):
        label(scoring=Scoring(temperature="4.6"))

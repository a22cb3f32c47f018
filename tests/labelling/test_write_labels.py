"""Labels that are many are scored, judged and written part by part, and say the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cdul_edge.labelling import ImportRequest, Scoring, label
from cdul_edge.labelling.imported import label_imported
from cdul_edge.labels import labels_writer
from cdul_edge.labels.label_stream import FILE_NAME
from cdul_edge.labels.manifest import read_manifest
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.bundle.thresholds import UNLABELED_RULES
from cdul_edge_runtime.errors import LabelsError

CLASSES = ["cat", "dog", "cow", "fish"]
N = 60


@pytest.fixture
def similarities(tmp_path: Path) -> Path:
    cosines = np.random.default_rng(0).normal(0.2, 0.03, (N, 5, 4)).astype(np.float32)
    cosines[10:13] = cosines[13]  # ties
    file = tmp_path / "similarities.npz"
    names = [f"{row}.jpg" for row in range(N)]
    np.savez(
        file,
        names=names,
        classes=CLASSES,
        global_cosines=cosines[:, 0],
        local_cosines=cosines[:, 1:],
    )
    return file


@pytest.mark.parametrize("rule", [*UNLABELED_RULES, "shares.json"])
def test_labels_in_parts_are_those_in_one_file(
    similarities: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shares = dict(zip(reversed(CLASSES), (0.1, 0.0, 0.33, 1.0), strict=True))
    Path("shares.json").write_text(json.dumps(shares))
    monkeypatch.setattr(label_imported, "PART_PICTURES", 8)
    scoring = Scoring(strategy="cdul", temperature="0.02", thresholds=rule)
    one = label(ImportRequest(similarities, tmp_path / "one", scoring=scoring))
    monkeypatch.setattr(labels_writer, "ROWS", 25)
    many = label(ImportRequest(similarities, tmp_path / "many", scoring=scoring))
    assert (tmp_path / "one" / FILE_NAME).is_file()
    assert len(list((tmp_path / "many" / FILE_NAME).glob("part-*"))) == 3
    read = [PseudoLabels.read(tmp_path / name) for name in ("one", "many")]
    assert read[0].scores.tobytes() == read[1].scores.tobytes()
    assert read[0].thresholds.tobytes() == read[1].thresholds.tobytes()
    assert read[0].provenance == read[1].provenance
    for first, second in zip(one.classes, many.classes, strict=True):
        assert first.mean_score == pytest.approx(second.mean_score, rel=1e-12)
        assert replace(first, mean_score=0) == replace(second, mean_score=0)


def test_parts_become_one_file_again_and_the_folder_stays_whole(
    similarities: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, first = tmp_path / "labels", tmp_path / "first"
    plain = ImportRequest(similarities, out, scoring=Scoring(strategy="cdul"))
    label(replace(plain, out=first))
    monkeypatch.setattr(labels_writer, "ROWS", 25)
    label(plain)
    manifest = read_manifest(out)
    assert manifest is not None
    assert f"{FILE_NAME}/_common_metadata" in manifest.files
    label(replace(plain, scoring=Scoring(strategy="max")))  # the store is whole: no --repair
    (out / FILE_NAME / "part-00001.parquet").unlink()
    with pytest.raises(LabelsError, match=r"part-00001.parquet is missing: run `cdul-edge label`"):
        PseudoLabels.read(out)
    label(plain)
    monkeypatch.undo()
    label(plain)
    assert (out / FILE_NAME).read_bytes() == (first / FILE_NAME).read_bytes()
    assert {file.name for file in out.iterdir()} == {file.name for file in first.iterdir()}
    monkeypatch.setattr(labels_writer, "ROWS", 25)
    label(plain)
    label(replace(plain, force=True, made_with=None))
    assert PseudoLabels.read(out).scores.shape == (N, 4)

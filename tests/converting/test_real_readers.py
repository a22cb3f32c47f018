"""Hugging Face's datasets and cleanlab read what was written for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cdul_edge import convert
from tests.fakes.labeled_pictures import CLASSES, LABELS, NAMES, PATHS, SCORES, write_labels

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for datasets, and no network."""
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    return tmp_path / "cache"


def test_datasets_loads_parquet_with_images_class_labels_and_scores(
    tmp_path: Path, hub: Path
) -> None:
    datasets = pytest.importorskip("datasets")
    labels = write_labels(tmp_path)
    for copy in (False, True):
        out = tmp_path / f"copied-{copy}"
        convert(input=labels, out=out, to_format="parquet", copy=copy)
        found = datasets.load_dataset("parquet", data_dir=str(out), split="train", cache_dir=hub)
        assert found.features["labels"].feature.names == list(CLASSES)
        assert [row["image"].size for row in found] == [(8, 8)] * 4
        assert found["path"][:] == list(PATHS)
        int2str = found.features["labels"].feature.int2str
        assert [int2str(row) for row in found["labels"]] == NAMES
        np.testing.assert_array_equal(np.array(found["scores"][:], np.float32), SCORES)


def test_datasets_loads_the_folder_with_or_without_copies(tmp_path: Path, hub: Path) -> None:
    datasets = pytest.importorskip("datasets")
    labels = write_labels(tmp_path)
    metadata = tmp_path / "photos" / "metadata.jsonl"
    convert(input=labels, out=metadata, to_format="imagefolder")
    convert(input=labels, out=tmp_path / "copy", to_format="imagefolder", copy=True)
    for folder in (metadata.parent, tmp_path / "copy"):
        found = datasets.load_dataset(
            "imagefolder", data_dir=str(folder), split="train", cache_dir=hub / folder.name
        )
        assert [row["image"].size for row in found] == [(8, 8)] * 4
        assert found["labels"][:] == NAMES
        np.testing.assert_array_equal(np.array(found["scores"][:], np.float32), SCORES)


def test_a_dataset_that_was_changed_and_saved_comes_back(tmp_path: Path, hub: Path) -> None:
    datasets = pytest.importorskip("datasets")
    labels = write_labels(tmp_path)
    convert(input=labels, out=tmp_path / "out", to_format="parquet")
    found = datasets.load_dataset(
        "parquet", data_dir=str(tmp_path / "out"), split="train", cache_dir=hub
    )
    changed = found.map(lambda row: {"labels": [2] if row["path"] == "plain.png" else []})
    changed.to_parquet(str(tmp_path / "changed.parquet"))
    back = tmp_path / "back.csv"
    result = convert(
        input=tmp_path / "changed.parquet", out=back, from_format="parquet", labels=labels
    )
    assert (result.pictures, result.present, result.absent) == (4, 1, 15)
    assert back.read_text().splitlines()[-1] == "plain.png,0,0,1,0"


def test_cleanlab_finds_the_label_that_the_scores_deny(tmp_path: Path) -> None:
    filters = pytest.importorskip("cleanlab.multilabel_classification.filter")
    rank = pytest.importorskip("cleanlab.multilabel_classification.rank")
    labels = write_labels(tmp_path)
    wrong = LABELS.copy()
    wrong[0, 0], wrong[3, 1] = 0, 0  # scores 0.9 and 1.0
    people = tmp_path / "people.csv"
    convert(input=labels, out=people, to_format="csv")
    header = people.read_text().splitlines()[0]
    rows = [line.rsplit(",", 4)[0] for line in people.read_text().splitlines()[1:]]
    lines = [f"{path},{','.join(map(str, row))}" for path, row in zip(rows, wrong, strict=True)]
    people.write_text("\n".join([header, *lines]) + "\n")
    convert(input=people, out=tmp_path / "lab", to_format="cleanlab", labels=labels)
    given = json.loads((tmp_path / "lab" / "labels.json").read_text())
    scores = np.load(tmp_path / "lab" / "pred_probs.npz")["pred_probs"]
    assert given == [np.flatnonzero(row).tolist() for row in wrong]
    order = filters.find_label_issues(
        given, scores, return_indices_ranked_by="self_confidence", frac_noise=1.0, n_jobs=1
    )
    quality = rank.get_label_quality_scores(given, scores)
    assert int(quality.argmin()) == 3
    assert set(order) <= {0, 3}

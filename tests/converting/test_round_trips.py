"""What goes to another form and comes back is what it was."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from cdul_edge import convert
from cdul_edge.converting.formats.table import FORMATS
from cdul_edge.converting.request import FormatName
from cdul_edge.labels.observed import read_observed
from cdul_edge.labels.scored_pictures import read_scored_pictures
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.truth import read_truth
from tests.fakes.labeled_pictures import CLASSES, LABELS, NAMES, PATHS, SCORES, write_labels

CLOSED: tuple[FormatName, ...] = (
    *("csv", "coco", "imagefolder", "parquet", "lightly-train", "cleanlab"),
)
pytestmark = pytest.mark.filterwarnings("ignore::cdul_edge_runtime.errors.CdulEdgeWarning")


def out_of(folder: Path, name: FormatName) -> Path:
    ending = {"csv": ".csv", "csv-scores": ".csv", "coco": ".json"}.get(name, "")
    return folder / f"{name}{ending}"


def to(
    folder: Path,
    name: FormatName,
    source: Path,
    *,
    images: Path | None = None,
    labels: Path | None = None,
) -> Path:
    out, copy = out_of(folder, name), name == "imagefolder"
    convert(input=source, out=out, to_format=name, copy=copy, images=images, labels=labels)
    return out


@pytest.mark.parametrize("name", CLOSED)
def test_labels_come_back_as_they_went_whatever_their_names(
    name: FormatName, tmp_path: Path
) -> None:
    labels = write_labels(tmp_path)
    out, back = to(tmp_path, name, labels), tmp_path / "observed.csv"
    result = convert(input=out, out=back, from_format=name, labels=labels)
    assert (result.pictures, result.present, result.absent, result.unknown) == (4, 6, 10, 0)
    observed = read_observed((back,), PATHS, CLASSES)
    np.testing.assert_array_equal(observed, 2 * LABELS - 1)


@pytest.mark.parametrize("name", ["csv", "parquet", "fiftyone"])
def test_unknown_entries_come_back_where_the_form_can_say_so(
    name: FormatName, tmp_path: Path
) -> None:
    labels = write_labels(tmp_path)
    given = np.array([[1, 0, -1, 0], [-1, 0, 1, 0], [0, 1, 1, -1], [1, 1, 0, 0]])
    people = tmp_path / "people.csv"
    with people.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image_path", *CLASSES])
        rows.writerows([p, *row] for p, row in zip(PATHS, given.tolist(), strict=True))
    out, back = to(tmp_path, name, people, images=tmp_path / "photos"), tmp_path / "back.csv"
    convert(input=out, out=back, from_format=name, labels=labels)
    np.testing.assert_array_equal(read_truth(back).labels, given)


@pytest.mark.parametrize("name", ["coco", "imagefolder", "lightly-train", "cleanlab"])
def test_unknown_entries_are_refused_where_the_form_cannot_say_so(
    name: FormatName, tmp_path: Path
) -> None:
    labels = write_labels(tmp_path)
    people = tmp_path / "people.csv"
    people.write_text("image_path,label\nplain.png,-cat\na/1.png,cat\n")
    with pytest.raises(CdulEdgeError, match=r"that a label is unknown.*in 2 picture\(s\)"):
        to(tmp_path, name, people, labels=labels)
    assert not out_of(tmp_path, name).exists()


def test_a_picture_of_which_nothing_is_known_is_left_out_where_that_cannot_be_said(
    tmp_path: Path,
) -> None:
    people = tmp_path / "people.csv"
    people.write_text("image_path,cat,dog\n1.png,1,0\n2.png,-1,-1\n3.png,0,0\n")
    out = to(tmp_path, "coco", people)
    content = json.loads(out.read_text())
    assert [image["file_name"] for image in content["images"]] == ["1.png", "3.png"]


def test_scores_are_the_same_float32_in_every_form_that_keeps_them(tmp_path: Path) -> None:
    labels = write_labels(tmp_path)
    found = read_scored_pictures(to(tmp_path, "csv-scores", labels))
    assert (found.paths, found.classes) == (PATHS, CLASSES)
    np.testing.assert_array_equal(found.scores, SCORES)
    probabilities = np.load(to(tmp_path, "cleanlab", labels) / "pred_probs.npz")["pred_probs"]
    np.testing.assert_array_equal(probabilities, SCORES)
    assert probabilities.dtype == np.float32
    lines = (to(tmp_path, "imagefolder", labels) / "metadata.jsonl").read_text().splitlines()
    kept = np.array([json.loads(line)["scores"] for line in lines], np.float32)
    np.testing.assert_array_equal(kept, SCORES)
    annotations = json.loads(to(tmp_path, "coco", labels).read_text())["annotations"]
    assert [np.float32(one["score"]) for one in annotations] == SCORES[LABELS == 1].tolist()
    assert {name for name, form in FORMATS.items() if form.keeps_scores} == {
        *("csv-scores", "cleanlab", "imagefolder", "parquet"),  # of all classes
    }


def test_predictions_and_truth_go_out_as_labels_do(tmp_path: Path) -> None:
    photos = write_labels(tmp_path).parent / "photos"
    lines = [
        {"path": path, "labels": names, "scores": dict(zip(CLASSES, row, strict=True))}
        for path, names, row in zip(PATHS, NAMES, SCORES.astype(float).tolist(), strict=True)
    ]
    predictions = tmp_path / "predictions.jsonl"
    predictions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = to(tmp_path, "fiftyone", predictions, images=photos)
    samples = json.loads((out / "samples.json").read_text())["samples"]
    assert [one["filepath"] for one in samples] == [(photos / path).as_posix() for path in PATHS]
    shown = [[c["label"] for c in one["predictions"]["classifications"]] for one in samples]
    assert shown == NAMES
    again = to(tmp_path, "coco", to(tmp_path, "csv", predictions))
    assert len(json.loads(again.read_text())["annotations"]) == LABELS.sum()


def test_the_same_conversion_writes_the_same_bytes(tmp_path: Path) -> None:
    labels = write_labels(tmp_path)
    for name in FORMATS:
        (tmp_path / "again").mkdir(exist_ok=True)
        outs = [to(folder, name, labels) for folder in (tmp_path, tmp_path / "again")]
        first, second = map(contents, outs)
        assert first == second, name


def contents(out: Path) -> dict[str, bytes]:
    files = [out] if out.is_file() else sorted(out.rglob("*"))
    return {str(p.relative_to(out)): p.read_bytes() for p in files if p.is_file()}


def test_a_table_of_predictions_is_told_from_one_of_labels(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    for cells, present in (("1,0", 1), ("1.0,0.0", 1), ("1,0.7", 2), ("0.25,0.5", 1)):
        table.write_text(f"image_path,cat,dog\n1.png,{cells}\n")
        out = tmp_path / f"{cells}.json"
        result = convert(input=table, out=out, to_format="coco")
        assert result.present == present
        annotations = json.loads(out.read_text())["annotations"]
        assert ["score" in one for one in annotations] == [cells in ("1,0.7", "0.25,0.5")] * present

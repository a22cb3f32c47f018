"""FiftyOne's datasets on disk: read by FiftyOne itself, and what it exports comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge import convert
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from tests.fakes.labeled_pictures import CLASSES, LABELS, NAMES, PATHS, SCORES, write_labels

SURE = dict(zip(CLASSES.names, (0.0, 0.25, 0.5, 0.75), strict=True))


def classifications(*names: str) -> dict[str, object]:
    each = [
        {"_id": {"$oid": "6b09"}, "_cls": "Classification", "tags": [], "label": name}
        for name in names
    ]
    return {"_cls": "Classifications", "classifications": each}


def read_back(folder: Path, samples: Sequence[dict[str, object]]) -> list[str]:
    """The lines of the CSV that comes out."""
    labels, dataset, out = write_labels(folder), folder / "exported", folder / "observed.csv"
    dataset.mkdir(exist_ok=True)
    ids = [{"_id": {"$oid": "6b0a"}, **sample} for sample in samples]
    (dataset / "samples.json").write_text(json.dumps({"samples": ids}))
    convert(input=dataset, out=out, from_format="fiftyone", labels=labels)
    return out.read_text().splitlines()[1:]


def test_ground_truth_comes_back_and_other_fields_do_not(tmp_path: Path) -> None:
    samples: list[dict[str, object]] = [
        {"filepath": "/x/photos/plain.png", "tags": ["cat"], "ground_truth": classifications()},
        {
            "filepath": "/x/photos/a/1.png",
            "ground_truth": classifications("cat", "never shown"),
            "pseudo_labels": classifications("zebra"),
        },
        {"filepath": f"/x/photos/{PATHS[1]}", "ground_truth": None},
    ]
    with pytest.warns(UserWarning, match=r"1 sample\(s\) without ground_truth"):
        assert read_back(tmp_path, samples) == ["a/1.png,1,0,0,1", "plain.png,0,0,0,0"]


def test_labels_of_people_stand_beside_those_that_the_scores_make(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("image_path,label\nplain.png,-cat\nplain.png,never shown\n")
    labels = write_labels(tmp_path)
    convert(input=people, out=tmp_path / "fo", to_format="fiftyone", labels=labels)
    (sample,) = json.loads((tmp_path / "fo" / "samples.json").read_text())["samples"]
    (said,) = sample["ground_truth"]["classifications"]
    assert said == {"_cls": "Classification", "label": "never shown"}
    assert sample["unknown"] == list(CLASSES)[1:3]
    guessed = sample["pseudo_labels"]["classifications"]
    assert [one["label"] for one in guessed] == NAMES[3]
    assert [np.float32(one["confidence"]) for one in guessed] == SCORES[3, :3].tolist()


def test_one_classification_is_the_only_class_there(tmp_path: Path) -> None:
    one = {"_cls": "Classification", "label": "cat"}
    samples: list[dict[str, object]] = [{"filepath": "/photos/plain.png", "ground_truth": one}]
    assert read_back(tmp_path, samples) == ["plain.png,1,0,0,0"]


def test_tags_count_where_nothing_has_ground_truth(tmp_path: Path) -> None:
    samples: list[dict[str, object]] = [
        {"filepath": "/x/photos/plain.png", "tags": ["cat", "-never shown"]},
        {"filepath": "/x/photos/a/1.png", "tags": []},
    ]
    with pytest.warns(UserWarning, match=r"read are the tags of 1 sample\(s\)"):
        assert read_back(tmp_path, samples) == ["plain.png,1,-1,-1,0"]


def test_tags_that_are_no_classes_of_our_dataset_do_not_matter(tmp_path: Path) -> None:
    labels, out = write_labels(tmp_path), tmp_path / "fo"
    convert(input=labels, out=out, to_format="fiftyone")
    content = json.loads((out / "samples.json").read_text())
    content["samples"][3]["tags"] = ["train", "-cat"]
    content["samples"][0]["tags"] = ["train"]
    (out / "samples.json").write_text(json.dumps(content))
    with pytest.warns(CdulEdgeWarning) as said:
        convert(input=out, out=tmp_path / "o.csv", from_format="fiftyone", labels=labels)
    assert [str(one.message).rpartition(": ")[2] for one in said] == [
        "read are the tags of 1 sample(s)",
        "train",
    ]
    assert (tmp_path / "o.csv").read_text().splitlines()[1:] == ["plain.png,0,-1,-1,-1"]


@pytest.mark.parametrize(
    "metadata",
    [
        {"info": {"classes": list(CLASSES)}},
        {"info": {"default_classes": list(CLASSES), "classes": {"other": ["train"]}}},
        {"info": {"classes": {"ground_truth": list(CLASSES)}, "default_classes": ["train"]}},
        {"info": {}, "classes": {}, "default_classes": list(CLASSES)},
        {"info": None, "classes": {"ground_truth": list(CLASSES)}, "default_classes": None},
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_classes_are_known_wherever_fiftyone_keeps_them(
    metadata: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported/metadata.json").write_text(json.dumps(metadata))
    samples: list[dict[str, object]] = [{"filepath": "/x/plain.png", "tags": ["train", "cat"]}]
    assert read_back(tmp_path, samples) == ["plain.png,1,-1,-1,-1"]


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"filepath": "/x/plain.png", "ground_truth": classifications("zebra")}, "'zebra', which"),
        ({"filepath": "/x/other.png", "ground_truth": classifications("cat")}, "not among the 4"),
        (
            {"filepath": "/x/plain.png", "tags": []},
            "neither a field ground_truth nor tags of classes",
        ),
        ({"filepath": "/x/plain.png", "tags": ["train"]}, "'train', which is no class"),
        (
            {
                "filepath": "/x/plain.png",
                "ground_truth": {"_cls": "Detections", "detections": []},
            },
            "no dataset of images with Classifications",
        ),
        ({"tags": []}, "filepath is missing"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_datasets_that_say_nothing_of_these_labels(
    sample: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        read_back(tmp_path, [sample])


@pytest.fixture(scope="module")
def fiftyone(fiftyones_database: Mapping[str, str]) -> Iterator[Any]:
    """FiftyOne with a database and a configuration of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in fiftyones_database.items():
            patch.setenv(name, value)
        yield pytest.importorskip("fiftyone", reason="make test-tools")


@pytest.mark.tools
@pytest.mark.filterwarnings("ignore")
def test_fiftyones_own_reader_and_writer_take_it_there_and_back(
    fiftyone: Any, tmp_path: Path
) -> None:
    import fiftyone.utils.data as on_disk

    labels, out, back = write_labels(tmp_path), tmp_path / "fo", tmp_path / "exported"
    convert(input=labels, out=out, to_format="fiftyone")
    importer = on_disk.LegacyFiftyOneDatasetImporter(str(out))
    with importer:
        samples = list(importer)
        info = importer.get_dataset_info()
    assert info["classes"] == list(CLASSES)
    assert info["pseudo_labels_thresholds"] == [0.5, 0.5, float(np.float32(0.7)), None]
    fields = [one["pseudo_labels"].classifications for one in samples]
    assert [[c.label for c in field] for field in fields] == NAMES
    confidences = [np.float32(c.confidence) for field in fields for c in field]
    assert confidences == SCORES[LABELS == 1].tolist()
    assert all(Path(one.filepath).is_file() and one.media_type == "image" for one in samples)
    exporter = on_disk.LegacyFiftyOneDatasetExporter(str(back), export_media=False)
    with exporter:
        for one in samples[2:]:
            cat = fiftyone.Classification(label="cat")
            one["ground_truth"] = fiftyone.Classifications(classifications=[cat])
            exporter.export_sample(one)
    result = convert(
        input=back, out=tmp_path / "observed.csv", from_format="fiftyone", labels=labels
    )
    assert (result.pictures, result.present, result.absent) == (2, 2, 6)


@pytest.fixture
def dataset(fiftyone: Any, tmp_path: Path) -> Iterator[Any]:
    """Our labels in FiftyOne's database, and a network's predictions beside them."""
    labels = write_labels(tmp_path)
    convert(input=labels, out=tmp_path / "labels", to_format="fiftyone")
    rows = [{"path": path, "scores": SURE, "labels": [CLASSES.names[3]]} for path in PATHS[:2]]
    predictions = tmp_path / "predictions.jsonl"
    predictions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    photos, out = tmp_path / "photos", tmp_path / "predicted"
    convert(input=predictions, out=out, to_format="fiftyone", images=photos)
    kind = fiftyone.types.LegacyFiftyOneDataset
    made = fiftyone.Dataset.from_dir(dataset_dir=str(tmp_path / "labels"), dataset_type=kind)
    made.merge_dir(dataset_dir=str(out), dataset_type=kind)
    yield made
    made.delete()


def exported(dataset: Any, folder: Path, kind: Any) -> list[str]:
    """The lines of the CSV that comes out of what FiftyOne exports."""
    name = f"{kind.__name__} of {dataset.name}"
    out = folder / f"{name}.csv"
    dataset.export(export_dir=str(folder / name), dataset_type=kind, export_media=False)
    convert(input=folder / name, out=out, from_format="fiftyone", labels=folder / "labels.parquet")
    return out.read_text(encoding="utf-8").splitlines()


def kinds(fiftyone: Any) -> tuple[Any, Any]:
    """The types of which it exports what is read."""
    return fiftyone.types.FiftyOneDataset, fiftyone.types.LegacyFiftyOneDataset


@pytest.mark.tools
@pytest.mark.filterwarnings("ignore")
def test_fiftyones_database_holds_labels_confidences_predictions_and_thresholds(
    dataset: Any, fiftyone: Any, tmp_path: Path
) -> None:
    place = f"{(tmp_path / 'photos').resolve()}/"
    assert [path.removeprefix(place) for path in dataset.values("filepath")] == list(PATHS)
    assert dataset.values("pseudo_labels.classifications.label") == NAMES
    confidences = dataset.values("pseudo_labels.classifications.confidence", unwind=True)
    assert [np.float32(one) for one in confidences] == SCORES[LABELS == 1].tolist()
    predicted = dataset.values("predictions.classifications.label")
    assert predicted == [[CLASSES.names[3]], [CLASSES.names[3]], None, None]
    assert dataset.values("predictions.classifications.confidence")[:2] == [[0.75], [0.75]]
    assert dataset.default_classes == list(CLASSES)
    assert dict(dataset.info) == {
        "pseudo_labels_thresholds": [0.5, 0.5, float(np.float32(0.7)), None],
        "predictions_thresholds": [None, None, None, 0.75],
    }
    dataset.clone_sample_field("pseudo_labels", "ground_truth")
    convert(input=tmp_path / "labels.parquet", out=tmp_path / "there.csv", to_format="csv")
    there = (tmp_path / "there.csv").read_text(encoding="utf-8").splitlines()
    for kind in kinds(fiftyone):
        assert exported(dataset, tmp_path, kind) == there


@pytest.mark.tools
@pytest.mark.filterwarnings("ignore")
def test_labels_that_people_change_in_fiftyones_database_come_back(
    dataset: Any, fiftyone: Any, tmp_path: Path
) -> None:
    dataset.limit(2).clone_sample_field("pseudo_labels", "ground_truth")
    first = dataset.first()
    never = fiftyone.Classification(label="never shown")
    first.ground_truth.classifications = [*first.ground_truth.classifications[1:], never]
    first.save()
    last = dataset.last()
    last["ground_truth"] = fiftyone.Classifications()
    last["unknown"] = [CLASSES.names[1]]
    last.save()
    for kind in kinds(fiftyone):
        assert exported(dataset, tmp_path, kind)[1:] == [
            "a/1.png,0,0,0,1",
            '"a, b/2 ""q"".png",1,1,0,0',
            "plain.png,0,-1,0,0",
        ]


@pytest.mark.tools
@pytest.mark.filterwarnings("ignore")
def test_tags_that_people_give_in_fiftyones_database_come_back(
    dataset: Any, fiftyone: Any, tmp_path: Path
) -> None:
    dataset.limit(3).tag_samples(["cat", "train"])
    dataset.limit(1).untag_samples("cat")
    dataset.skip(2).tag_samples("-never shown")
    for kind in kinds(fiftyone):
        assert exported(dataset, tmp_path, kind)[1:] == [
            '"a, b/2 ""q"".png",1,-1,-1,-1',
            "<b>ü</b>.png,1,-1,-1,0",
            "plain.png,-1,-1,-1,0",
        ]

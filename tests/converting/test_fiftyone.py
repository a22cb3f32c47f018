"""FiftyOne's datasets on disk: read by FiftyOne itself, and what it exports comes back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge import convert
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from tests.fakes.labeled_pictures import CLASSES, LABELS, NAMES, PATHS, SCORES, write_labels


def classifications(*names: str) -> dict[str, object]:
    each = [
        {"_id": {"$oid": "6b09"}, "_cls": "Classification", "tags": [], "label": name}
        for name in names
    ]
    return {"_cls": "Classifications", "classifications": each}


def read_back(folder: Path, samples: Sequence[dict[str, object]]) -> list[str]:
    """The lines of the CSV that comes out."""
    labels, dataset, out = write_labels(folder), folder / "exported", folder / "observed.csv"
    dataset.mkdir()
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
def fiftyone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """FiftyOne with a database and a configuration of its own."""
    folder = tmp_path_factory.mktemp("fiftyone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIFTYONE_DATABASE_DIR", str(folder / "db"))
        patch.setenv("FIFTYONE_CONFIG_PATH", str(folder / "config.json"))
        patch.setenv("FIFTYONE_DO_NOT_TRACK", "true")
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
    assert info["thresholds"] == [0.5, 0.5, float(np.float32(0.7)), None]
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


@pytest.mark.tools
@pytest.mark.filterwarnings("ignore")
def test_fiftyones_database_takes_it_there_and_back(fiftyone: Any, tmp_path: Path) -> None:
    labels, out, back = write_labels(tmp_path), tmp_path / "fo", tmp_path / "exported"
    convert(input=labels, out=out, to_format="fiftyone")
    try:
        fiftyone.list_datasets()
    except (fiftyone.core.config.FiftyOneConfigError, RuntimeError, OSError) as error:
        pytest.skip(f"FiftyOne's MongoDB does not start here: {error}")
    kind = fiftyone.types.LegacyFiftyOneDataset
    dataset = fiftyone.Dataset.from_dir(dataset_dir=str(out), dataset_type=kind)
    assert dataset.count_values("pseudo_labels.classifications.label")["cat"] == LABELS[:, 0].sum()
    dataset.clone_sample_field("pseudo_labels", "ground_truth")
    dataset.export(
        export_dir=str(back), dataset_type=fiftyone.types.FiftyOneDataset, export_media=False
    )
    convert(input=back, out=tmp_path / "back.csv", from_format="fiftyone", labels=labels)
    convert(input=labels, out=tmp_path / "there.csv", to_format="csv")
    assert (tmp_path / "back.csv").read_text() == (tmp_path / "there.csv").read_text()

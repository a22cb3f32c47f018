"""LightlyTrain's own reader takes the CSV and the classes that were written for it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from cdul_edge import convert
from tests.fakes.labeled_pictures import CLASSES, LABELS, PATHS, write_labels


def test_the_delimiter_is_one_that_no_class_holds(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"1 picture\(s\) show no class: LightlyTrain skips"):
        convert(input=write_labels(tmp_path), out=tmp_path / "lt", to_format="lightly-train")
    data = yaml.safe_load((tmp_path / "lt" / "data.yaml").read_text())
    assert data["classes"] == dict(enumerate(CLASSES))
    assert data["label_delimiter"] == ";"  # a class holds a comma
    with (tmp_path / "lt" / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"].count(";") for row in rows] == [0, 1, 0, 2]
    assert rows[0]["image_path"] == (tmp_path / "photos" / PATHS[0]).as_posix()


@pytest.mark.tools
@pytest.mark.filterwarnings("ignore")
def test_lightly_train_lists_each_picture_with_its_classes(tmp_path: Path) -> None:
    module: Any = pytest.importorskip(
        "lightly_train._data.image_classification_dataset", reason="make test-tools"
    )
    convert(input=write_labels(tmp_path), out=tmp_path / "lt", to_format="lightly-train")
    data = yaml.safe_load((tmp_path / "lt" / "data.yaml").read_text())
    table = str(tmp_path / "lt" / data.pop("train"))
    arguments = module.ImageClassificationMultilabelDataArgs(train=table, val=table, **data)
    listed = list(arguments.get_train_args().list_image_info())
    shown = [row for row in range(4) if LABELS[row].any()]  # it skips the others
    assert [one["image_path"] for one in listed] == [
        (tmp_path / "photos" / PATHS[row]).as_posix() for row in shown
    ]
    numbers = [set(map(int, one["class_id"].split(";"))) for one in listed]
    assert numbers == [set(LABELS[row].nonzero()[0].tolist()) for row in shown]

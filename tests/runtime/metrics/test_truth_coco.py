"""COCO files as other tools write them, and those that contradict themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.truth import read_truth


def coco(**changes: Any) -> dict[str, Any]:
    content = {
        "categories": [{"id": 2, "name": "cat"}, {"id": 9, "name": "dog"}],
        "images": [{"id": 5, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}],
        "annotations": [{"image_id": 7, "category_id": 9}],
    }
    return {**content, **changes}


def write(tmp_path: Path, content: object) -> Path:
    file = tmp_path / "instances.json"
    file.write_text(json.dumps(content), encoding="utf-8-sig")
    return file


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"annotations": [{"image_id": "7", "category_id": "9", "bbox": [float("nan")]}]},
        {"images": [{"id": "5", "file_name": "a.jpg"}, {"id": "7", "file_name": "b.jpg"}]},
        {"images": [{"id": 5.0, "file_name": "a.jpg"}, {"id": 7.0, "file_name": "b.jpg"}]},
    ],
)
def test_ids_may_be_text_and_the_file_may_have_a_byte_order_mark(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    truth = read_truth(write(tmp_path, coco(**changes)))
    assert (truth.classes, truth.paths) == (("cat", "dog"), ("a.jpg", "b.jpg"))
    assert truth.labels.tolist() == [[0, 0], [0, 1]]


def test_lvis_names_its_images_by_address(tmp_path: Path) -> None:
    address = "http://images.cocodataset.org/train2017/000000391895.jpg"
    content = coco(images=[{"id": 7, "coco_url": address}])
    truth = read_truth(write(tmp_path, content))
    assert truth.paths == ("train2017/000000391895.jpg",)
    assert truth.labels.tolist() == [[0, 1]]


def test_ids_that_are_names_work_too(tmp_path: Path) -> None:
    content = coco(
        images=[{"id": "a", "file_name": "a.jpg"}],
        annotations=[{"image_id": "a", "category_id": 2}],
    )
    assert read_truth(write(tmp_path, content)).labels.tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            coco(images=[{"id": 5, "file_name": "a.jpg"}] * 2),
            "entry 2 of images has the id 5",
        ),
        (coco(categories=[{"id": 2, "name": n} for n in "ab"]), "entry 2 of categories has the id"),
        (coco(annotations=[{"image_id": 12345, "category_id": 9}]), "image_id 12345, which"),
        (coco(annotations=[{"image_id": 7, "category_id": 1}]), "annotation 1 .*category_id 1, wh"),
        (coco(annotations=[{"category_id": 9}]), "annotation 1 has image_id None"),
        (coco(annotations=[{"image_id": float("nan"), "category_id": 9}]), "has image_id nan"),
        (coco(annotations=[{"image_id": [7], "category_id": 9}]), r"has image_id \[7\]"),
        (coco(images=[{"id": 5}]), "entry 1 of images has no file_name"),
        (coco(categories=[{"id": 5, "name": 3}]), "entry 1 of categories has no name"),
        (coco(categories=[{"id": True, "name": "cat"}]), "has id True"),
        (coco(images={}), "not a COCO instances file: expected a list 'images'"),
        (coco(annotations=[7]), "expected a list 'annotations'"),
        ([], "not a COCO instances file"),
        ({"annotations": []}, "expected a list 'categories'"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_with_its_entry(
    tmp_path: Path, content: object, fault: str
) -> None:
    with pytest.raises(CdulEdgeError, match=fault) as caught:
        read_truth(write(tmp_path, content))
    assert "instances.json" in str(caught.value)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"images": ' + "9" * 5000 + "}", "{}x", ""])
def test_what_is_no_json_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "instances.json"
    file.write_text(text)
    with pytest.raises(CdulEdgeError, match=r"is not valid JSON|not a COCO") as caught:
        read_truth(file)
    assert "\n" not in str(caught.value)

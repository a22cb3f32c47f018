"""Tasks for Label Studio, and what its JSON export says of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge import convert
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.labeled_pictures import CLASSES, NAMES, PATHS, SCORES, write_labels


def chosen(*names: str, control: str = "labels") -> dict[str, object]:
    value = {"choices": list(names)}
    return {"from_name": control, "to_name": "image", "type": "choices", "value": value}


def annotation(*names: str, by: int = 1, cancelled: bool = False) -> dict[str, object]:
    result = [chosen(*names)] if names else []
    return {"id": 9, "result": result, "was_cancelled": cancelled, "completed_by": by}


def task(path: str, *annotations: object, **data: str) -> dict[str, object]:
    guess = {"model_version": "other", "result": [chosen("never shown")], "score": 0.9}
    named = data or {"image": "/data/local-files/?d=photos/1.png", "path": path}
    return {"id": 1, "data": named, "annotations": list(annotations), "predictions": [guess]}


def write(folder: Path, tasks: Sequence[object]) -> Path:
    file = folder / "export.json"
    file.write_text(json.dumps(list(tasks)))
    return file


def read_back(folder: Path, tasks: Sequence[object]) -> dict[str, str]:
    """Path to its values, of the CSV that comes out."""
    labels = write_labels(folder)
    out = folder / "observed.csv"
    file = write(folder, tasks)
    convert(input=file, out=out, from_format="label-studio", labels=labels)
    lines = [line.rsplit(",", 4) for line in out.read_text().splitlines()[1:]]
    return {path: ",".join(values) for path, *values in lines}


def test_tasks_hold_the_labels_as_predictions_the_least_sure_first_when_sorted(
    tmp_path: Path,
) -> None:
    convert(input=write_labels(tmp_path), out=tmp_path / "ls", to_format="label-studio")
    tasks = json.loads((tmp_path / "ls" / "tasks.json").read_text())
    assert [one["data"]["path"] for one in tasks] == list(PATHS)
    assert tasks[1]["data"]["image"] == "/data/local-files/?d=photos/a%2C%20b/2%20%22q%22.png"
    given = [one["predictions"][0]["result"][0]["value"]["choices"] for one in tasks]
    assert given == NAMES
    sure = np.maximum(SCORES, 1 - SCORES).min(axis=1)
    assert [np.float32(one["predictions"][0]["score"]) for one in tasks] == sure.tolist()


def test_what_was_answered_comes_back_and_predictions_do_not(tmp_path: Path) -> None:
    tasks = [
        task("plain.png", annotation("cat", "never shown")),
        task("a/1.png", annotation()),  # submitted with nothing chosen
    ]
    assert read_back(tmp_path, tasks) == {"a/1.png": "0,0,0,0", "plain.png": "1,0,0,1"}


def test_skipped_and_unfinished_tasks_are_left_out(tmp_path: Path) -> None:
    tasks = [
        task("plain.png", annotation("cat", cancelled=True), annotation("never shown", by=2)),
        task("a/1.png", annotation("cat", cancelled=True)),
        task(PATHS[1]),
    ]
    with pytest.warns(UserWarning, match=r"^2 task\(s\) that nobody finished"):
        assert read_back(tmp_path, tasks) == {"plain.png": "0,0,0,1"}


def test_what_annotators_disagree_on_becomes_unknown_and_is_named(tmp_path: Path) -> None:
    tasks = [
        task("plain.png", annotation("cat", by=1), annotation("cat", "never shown", by=2)),
        task("a/1.png", annotation("cat", by=1), annotation("cat", by=2)),
    ]
    with pytest.warns(UserWarning, match="on 1 label.*annotator 2 sees 'never shown' in 'plain.pn"):
        assert read_back(tmp_path, tasks) == {"a/1.png": "1,0,0,0", "plain.png": "1,0,0,-1"}


@pytest.mark.parametrize(
    "image",
    [
        "/data/local-files/?d=photos/plain.png",
        "/data/upload/3/0a1b2c3d-plain.png",
        "https://cdn.example/photos/plain.png?signature=x",
        "s3://bucket/photos/plain.png",
    ],
)
def test_pictures_of_projects_that_we_did_not_make_are_found_by_name(
    image: str, tmp_path: Path
) -> None:
    tasks = [task("", annotation("cat"), image=image)]
    assert read_back(tmp_path, tasks) == {"plain.png": "1,0,0,0"}


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([chosen("zebra")], "'zebra', which is no class"),
        ([{**chosen(), "type": "rectanglelabels", "value": {}}], "asks for rectanglelabels"),
        ([chosen("cat", control="a"), chosen("cat", control="b")], r"several lists .*\(a, b\)"),
        ("none", "result is not a list.*takes csv"),
    ],
)
def test_an_export_of_another_project_is_refused(
    results: object, message: str, tmp_path: Path
) -> None:
    labels = write_labels(tmp_path)
    file = write(tmp_path, [task("plain.png", {"result": results})])
    with pytest.raises(CdulEdgeError, match=message):
        convert(input=file, out=tmp_path / "o.csv", from_format="label-studio", labels=labels)


def test_an_address_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(CdulEdgeError, match=r"'http://\[x/plain.png' is no address"):
        read_back(tmp_path, [task("", annotation("cat"), image="http://[x/plain.png")])


@pytest.mark.tools
@pytest.mark.filterwarnings("ignore")
def test_the_sdk_of_label_studio_accepts_the_configuration_and_every_prediction(
    tmp_path: Path,
) -> None:
    sdk: Any = pytest.importorskip("label_studio_sdk.label_interface", reason="make test-tools")
    convert(input=write_labels(tmp_path), out=tmp_path / "ls", to_format="label-studio")
    interface = sdk.LabelInterface((tmp_path / "ls" / "labeling_config.xml").read_text())
    interface.validate()
    assert list(interface.get_control("labels").labels) == list(CLASSES)
    for one in json.loads((tmp_path / "ls" / "tasks.json").read_text()):
        (prediction,) = one.pop("predictions")
        assert interface.validate_task(one)
        assert interface.validate_prediction(prediction, return_errors=True) == []
    prediction["result"][0]["value"]["choices"] = ["zebra"]
    assert interface.validate_prediction(prediction, return_errors=True) != []


def test_what_has_no_value_or_no_result_is_no_answer_only_where_it_may_be(tmp_path: Path) -> None:
    relation = {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"}
    sound = {**annotation("cat"), "result": [chosen("cat"), relation]}
    skipped = {**annotation(cancelled=True), "result": None}
    assert read_back(tmp_path, [task(PATHS[0], sound, skipped)])[PATHS[0]].startswith("1,")
    labels, out = tmp_path / "labels.parquet", tmp_path / "other.csv"
    halves = (None, [{"type": "choices", "from_name": "labels"}], [{**chosen(), "value": {}}])
    for half in halves:
        file = write(tmp_path, [task(PATHS[0], {**annotation(), "result": half})])
        with pytest.raises(CdulEdgeError, match=r"tasks\[0\].annotations\[0\] has ") as caught:
            convert(input=file, out=out, from_format="label-studio", labels=labels)
        assert "\n" not in str(caught.value)
        assert not out.exists()

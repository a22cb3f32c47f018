"""What cannot be converted is said in one line, and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cdul_edge import convert
from cdul_edge.cli import app
from cdul_edge.converting.formats.table import FORMATS
from cdul_edge.converting.request import FormatName
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole
from tests.fakes.labeled_pictures import PATHS, write_labels

COCO = {
    "images": [{"id": 1, "file_name": "plain.png"}],
    "categories": [{"id": 1, "name": "cat"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1}],
}


def coco(**changes: object) -> str:
    return json.dumps({**COCO, **changes})


@pytest.mark.parametrize(
    ("name", "file", "content", "message"),
    [
        ("coco", "x.json", coco(categories=[{"id": 1, "name": "zebra"}]), "'zebra', which is no"),
        ("coco", "x.json", coco(images=[{"id": 1, "file_name": "other.png"}]), "not among the 4"),
        ("coco", "x.json", coco()[:-9], "not valid JSON"),
        ("coco", "x.json", coco(images=[], annotations=[]), "names no picture"),
        ("coco", "x.json", "[]", r"not a COCO instances file.*takes csv"),
        ("coco", "x.csv", "image_path,cat\nplain.png,1\n", r"takes csv, coco, .*, fiftyone"),
        ("coco", "x.json", "", "not valid JSON"),
        ("csv", "x.json", coco(), r"is not of CSV.*takes csv"),
        ("csv", "x.csv", "image_path,cat\nplain.png,-1\n", "nothing is known"),
        ("csv", "x.csv", "image_path,label\nplain.png,cat\nplain.png,-cat\n", "contradicts itself"),
        ("csv-scores", "x.csv", "image_path,cat\nplain.png,1\n", "nothing is read from it"),
        (
            "imagefolder",
            "metadata.jsonl",
            '{"file_name": "plain.png"}',
            "line 1.*labels is miss",
        ),
        ("imagefolder", "metadata.jsonl", '{"file_name": "pl', "line 1"),
        ("imagefolder", "metadata.csv", "file_name,label\na,b\n", "lacks a column .*takes csv"),
        ("imagefolder", "metadata.csv", "file_name,labels\nplain.png,cat\n", "line 2"),
        ("imagefolder", "x.jsonl", "", r"expected a folder with.*takes csv"),
        ("parquet", "x.parquet", "PAR1", "truncated or damaged"),
        ("lightly-train", "x.csv", "image_path,cat\nplain.png,1\n", "lacks a column.*takes csv"),
        ("lightly-train", "x.csv", 'image_path,label\nplain.png,"cat,zebra"\n', "'zebra', which"),
        ("lightly-train", "x.csv", "image_path,label,label\na,cat,dog\n", "two columns 'label'"),
        (
            "imagefolder",
            "metadata.csv",
            "file_name,labels,labels\na,[],[]\n",
            "two columns 'labels'",
        ),
        ("cleanlab", "x.json", "[]", "expected a folder with labels.json"),
        ("fiftyone", "x.json", "{}", "expected a folder with samples.json"),
        ("label-studio", "x.json", coco(), "expected a list of tasks.*takes csv"),
        ("csv", "x.csv", "file_name,labels\na,b\n", r"begins with 'file_name.*takes csv"),
        ("label-studio", "x.json", "[]", "none that somebody finished"),
        ("label-studio", "x.json", '[{"image": "/1.png", "labels": "cat"}]', "not JSON-MIN"),
    ],
)
def test_what_another_tool_wrote_and_we_cannot_use(
    name: FormatName, file: str, content: str, message: str, tmp_path: Path
) -> None:
    labels = write_labels(tmp_path)
    (tmp_path / file).write_text(content)
    with pytest.raises(CdulEdgeError, match=message) as caught:
        convert(input=tmp_path / file, out=tmp_path / "o.csv", from_format=name, labels=labels)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "o.csv").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"labels": [[0], [5]], "pictures": ["plain.png", "a/1.png"]}, "the class 5"),
        ({"labels": [[0]], "pictures": ["plain.png", "a/1.png"]}, "1 rows.*names 2 pictures"),
        ({"labels": [["cat"]], "pictures": ["plain.png"]}, r"labels\[0\]\[0\] is 'cat'"),
    ],
)
def test_a_folder_of_cleanlab_that_was_edited(
    files: dict[str, object], message: str, tmp_path: Path
) -> None:
    labels, folder = write_labels(tmp_path), tmp_path / "lab"
    folder.mkdir()
    for name, content in {**files, "classes": ["cat", "never shown"]}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    with pytest.raises(CdulEdgeError, match=message):
        convert(input=folder, out=tmp_path / "o.csv", from_format="cleanlab", labels=labels)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"path": ["plain.png"], "label": [1]}, "has no column labels"),
        ({"path": ["plain.png"], "labels": [1]}, "labels is int64, expected lists"),
        ({"path": ["plain.png"], "labels": [[1]]}, "no features of datasets that name"),
        ({"labels": [["cat"]]}, "a row that names no picture"),
    ],
)
def test_parquet_of_other_shapes(table: dict[str, object], message: str, tmp_path: Path) -> None:
    labels, file = write_labels(tmp_path), tmp_path / "x.parquet"
    pq.write_table(pa.table(table), file)
    with pytest.raises(CdulEdgeError, match=message):
        convert(input=file, out=tmp_path / "o.csv", from_format="parquet", labels=labels)


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        (("dining table", "Dining-Table"), {"csv"}),
        ((" cat", "cat"), {"csv", "csv-scores", "lightly-train", "label-studio"}),
        (("a  b", "a b"), {"csv", "label-studio"}),
        ((",;|^", "~"), {"lightly-train"}),
        (("image_path", "cat"), {"csv", "csv-scores"}),
        (("bell \x07", "cat"), {"label-studio"}),
    ],
)
def test_classes_that_a_form_cannot_tell_apart_are_refused_by_it_alone(
    names: tuple[str, str], refused: set[str], tmp_path: Path
) -> None:
    scores, thresholds = np.array([[0.9, 0.1]], np.float32), np.full(2, 0.5, np.float32)
    labels = tmp_path / "labels.parquet"
    PseudoLabels(tmp_path, ("1.png",), ClassList(names), scores, thresholds).write(labels)
    (tmp_path / "1.png").touch()
    found = {}
    for name in FORMATS:
        out = tmp_path / "metadata.jsonl" if name == "imagefolder" else tmp_path / f"o-{name}"
        try:
            convert(input=labels, out=out, to_format=name, console=SilentConsole())
        except CdulEdgeError as error:
            found[name] = str(error)
        assert out.exists() == (name not in found)
    assert set(found) == refused
    named = [any(repr(name) in text for name in names) for text in found.values()]
    assert all(named) or set(found) == {"lightly-train"}


def test_paths_that_a_form_cannot_hold(tmp_path: Path) -> None:
    (tmp_path / "a\nb.png").touch()
    labels = tmp_path / "labels.parquet"
    scores, thresholds = np.array([[0.9, 0.1]], np.float32), np.full(2, 0.5, np.float32)
    PseudoLabels(tmp_path, ("a\nb.png",), ClassList(("x", "y")), scores, thresholds).write(labels)
    with pytest.raises(CdulEdgeError, match=r"'a\\nb.png' holds a line break"):
        convert(input=labels, out=tmp_path / "o.csv", to_format="csv")
    convert(input=labels, out=tmp_path / "o.json", to_format="coco")
    assert json.loads((tmp_path / "o.json").read_text())["images"][0]["file_name"] == "a\nb.png"
    with pytest.raises(CdulEdgeError, match="holds a line break, which CSV cannot hold"):
        convert(
            input=tmp_path / "o.json", out=tmp_path / "b.csv", from_format="coco", labels=labels
        )
    assert not (tmp_path / "b.csv").exists()


def test_pictures_that_are_not_below_metadata_need_copying(tmp_path: Path) -> None:
    labels = write_labels(tmp_path)
    with pytest.raises(CdulEdgeError, match="copy them with --copy"):
        convert(input=labels, out=tmp_path / "folder", to_format="imagefolder")
    (tmp_path / "else").mkdir()
    with pytest.raises(CdulEdgeError, match="does not lie below"):
        convert(input=labels, out=tmp_path / "else/metadata.jsonl", to_format="imagefolder")
    (tmp_path / "photos" / PATHS[1]).unlink()
    with (
        pytest.warns(UserWarning, match="1 of 4 pictures are not there"),
        pytest.raises(CdulEdgeError, match="cannot be copied"),
    ):
        convert(input=labels, out=tmp_path / "folder", to_format="imagefolder", copy=True)
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("cvs", "there is no format 'cvs': expected one of csv, csv-scores"),
        ("csv", "is a folder: name a file in it as OUT, such as .*labels.csv"),
        ("imagefolder", "is a folder: name a file in it as OUT, such as .*metadata.jsonl"),
    ],
)
def test_a_format_that_is_none_and_a_folder_for_a_table_are_told(
    form: FormatName, told: str, tmp_path: Path
) -> None:
    with pytest.raises(CdulEdgeError, match=told):
        convert(input=write_labels(tmp_path), out=tmp_path, to_format=form)


def test_tables_are_never_replaced_and_other_results_only_where_they_are_ours(
    tmp_path: Path,
) -> None:
    labels = write_labels(tmp_path)
    table, own, theirs = tmp_path / "o.csv", tmp_path / "o", tmp_path / "theirs"
    table.write_text("image_path,cat\nplain.png,1\n")
    theirs.mkdir()
    (theirs / "samples.json").write_text("{}")
    convert(input=labels, out=own, to_format="fiftyone")
    for force in (False, True):
        with pytest.raises(CdulEdgeError, match="nothing in such a file says who made it"):
            convert(input=labels, out=table, to_format="csv", force=force)
        with pytest.raises(CdulEdgeError, match="theirs"):
            convert(input=labels, out=theirs, to_format="fiftyone", force=force)
    with pytest.raises(CdulEdgeError, match="exists: choose another OUT"):
        convert(input=labels, out=own, to_format="fiftyone")
    with pytest.raises(CdulEdgeError, match="not a folder for cleanlab"):
        convert(input=labels, out=own, to_format="cleanlab", force=True)
    convert(input=labels, out=own, to_format="fiftyone", force=True)
    assert (theirs / "samples.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("IN OUT", "one direction"),
        ("IN OUT --to csv --from csv", "one direction"),
        ("IN OUT --from csv", "--from needs --labels"),
        ("IN OUT --to coco --copy", "--copy goes with --to imagefolder, parquet"),
        ("IN OUT --to coco --picture-url http://x/", "goes with --to label-studio"),
        ("IN OUT --from csv --labels IN --copy", "go with --to"),
        ("IN OUT --to coco --labels IN", "--labels goes with labels that people gave"),
        ("missing.csv OUT --to coco", "does not exist"),
        ("missing.csv OUT --from csv --labels IN", "does not exist"),
        ("notes.txt OUT --to coco", "nothing that --to converts"),
        ("people.csv OUT --to cleanlab", "give the labels folder that has them as --labels"),
        ("people.csv OUT --to csv-scores", "has no scores: --to csv"),
        ("review.csv OUT --to csv", "names classes that are not there"),
    ],
)
def test_the_command_line_says_what_is_wrong_in_one_line(
    words: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = write_labels(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").touch()
    Path("people.csv").write_text("image_path,cat,dog\n1.png,1,0\n")
    Path("review.csv").write_text("image_path,label\nplain.png,-cat\nplain.png,never shown\n")
    line = words.replace("IN", labels.name).replace("OUT", "out")
    result = CliRunner().invoke(app, ["convert", *line.split()])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert message in result.stderr
    assert not Path("out").exists()

"""What a report takes, what it refuses, and what it leaves out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="a page is made with it")
pytest.importorskip("pyarrow", reason="labels are Parquet")

from cdul_edge.reporting.inputs import find_inputs
from cdul_edge.reporting.report import report
from cdul_edge.reporting.request import ReportRequest
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.host.unfinished.names import temporary_prefix
from tests.conftest import write_bundle
from tests.fakes.recorded_console import RecordedConsole
from tests.fakes.small_run import write_run


def write(file: Path, content: Any) -> Path:
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return file


VERIFIED = {"program": "cdul-edge", "stage": "verify", "format": 2, "rows": []}
EVALUATED = {"program": "cdul-edge", "scores": "labels", "ap": {"cat": 50.0}}
PREDICTED = {"path": "a.jpg", "labels": [], "scores": {"cat": 0.25}}
NEW = {**VERIFIED, "format": 9}

WRONG = {
    "empty.json": (b"", "is empty: what writes it was interrupted"),
    "binary.json": (b"\xff\x00\x01", "is not valid JSON"),
    "cut.json": (json.dumps(VERIFIED)[:-5], "is not valid JSON"),
    "other.json": ({"stage": "verify"}, "is JSON of another program"),
    "list.json": ([1, 2], "is JSON of another program"),
    "newer.json": (NEW, "has format 9, this program reads 2: run `cdul-edge verify` again"),
    "demo.json": ({**VERIFIED, "stage": "demo"}, "is the result of a demo: name its folder"),
    "config.json": ({**VERIFIED, "stage": "train"}, "is a file of a run: name its folder"),
    "page.json": ({**VERIFIED, "stage": "report"}, "holds the figures of a report"),
    "cut.jsonl": (b'{"stream": "door", "ev', "holds no whole line yet: it is still written"),
    "text.jsonl": (b"a line\n", "line 1 is not JSON"),
    "metrics.jsonl": ({"epoch": 1}, "is a file of a run: name its folder"),
    "header.csv": (b"image_path,cat\n", "has a header and no row"),
    "truth.csv": (b"image_path,cat\na.jpg,1\n", "holds labels and no scores, as truth does"),
    "sheet.csv": (b"question,answer\n1,yes\n", "is no table of predictions"),
    "cut.parquet": (b"PAR1", "is truncated or damaged"),
    "notes.txt": (b"hello", "is nothing that a report shows"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_is_no_input_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    content, told = WRONG[name]
    file = write(tmp_path / name, content)
    with pytest.raises(CdulEdgeError) as raised:
        find_inputs([file], SilentConsole())
    assert str(raised.value).startswith(str(file))
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_folders_that_are_not_finished_or_of_another_format_are_refused(tmp_path: Path) -> None:
    run, bundle = write_run(tmp_path), write_bundle(tmp_path / "bundle")
    summary = (run / "summary.json").read_bytes()
    (run / "summary.json").unlink()
    faults = {run: "is not finished: the same `cdul-edge train` command resumes it"}
    (bundle / "model.fp32.onnx").unlink()
    faults[bundle] = "model.fp32.onnx is missing: copy the bundle again"
    labels = tmp_path / "labels"
    labels.mkdir()
    write(labels / "manifest.json", {"kind": "labels", "format": 9, "program": "cdul-edge"})
    faults[labels] = "has labels format 9"
    (tmp_path / "empty").mkdir()
    faults[tmp_path / "empty"] = "holds nothing that a report shows"
    faults[tmp_path / "nowhere"] = "does not exist: check the path"
    for path, told in faults.items():
        with pytest.raises(CdulEdgeError, match=told):
            find_inputs([path], SilentConsole())
    (run / "summary.json").write_bytes(summary)
    (run / "pseudo_labels_refined.parquet").unlink()
    with pytest.raises(CdulEdgeError, match=r"pseudo_labels_refined\.parquet is missing"):
        find_inputs([run], SilentConsole())


def test_a_folder_stands_for_what_it_holds_in_the_order_of_the_stages(tmp_path: Path) -> None:
    run = write_run(tmp_path)  # beside labels.parquet and three pictures
    write(tmp_path / "a_predictions.jsonl", PREDICTED)
    write(tmp_path / "verify.json", VERIFIED)
    write(tmp_path / "evaluation.json", EVALUATED)
    write(tmp_path / "another.json", EVALUATED)
    write(tmp_path / "watch.jsonl", {"stream": "door"})
    write(tmp_path / "settings.json", {"program": "another"})
    (tmp_path / "deeper").mkdir()
    write(tmp_path / "deeper" / "verify.json", VERIFIED)
    found = find_inputs([tmp_path], SilentConsole())
    assert [(one.key, one.path.name) for one in found.shown] == [
        ("labels", "labels.parquet"),
        ("run", "run"),
        ("verify", "verify.json"),
        ("evaluation", "another.json"),
        ("evaluation-2", "evaluation.json"),
        ("predictions", "a_predictions.jsonl"),
        ("watch", "watch.jsonl"),
    ]
    assert found.left_out == ()
    (run / "summary.json").unlink()
    noted = RecordedConsole()
    left = find_inputs([tmp_path], noted)
    assert "run" not in [one.kind for one in left.shown]
    assert [one.path for one in left.left_out] == [run]
    assert noted.warned == [f"left out: {left.left_out[0].reason}"]
    assert "is not finished" in noted.warned[0]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("predictions.jsonl", b'path": "a.jpg"}\n{}\n', "line 1 is not JSON"),
        ("Held.JSONL", b"\xff\xfe\n{}\n", "line 1 is not JSON"),
        ("watch.jsonl", b"\n\n", "line 1 is not JSON"),
        ("predictions_heldout.jsonl", b'{"scores": {}}\n', "holds neither predictions nor rows"),
        ("predictions.csv", b"mage_path,cat\na.jpg,1\n", "is no table of predictions"),
        ("verify.json", b'{"stage": "verify"}', "is JSON of another program"),
        ("bench.json", b"[]", "is JSON of another program"),
        ("evaluation.json", b'{"program":', "is not valid JSON"),
        ("pseudo_labels.parquet", b"PAR1", "is truncated or damaged"),
    ],
)
def test_what_is_damaged_in_a_folder_is_named(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    folder = tmp_path / "all"
    folder.mkdir()
    write(folder / "b.jsonl", PREDICTED)
    write(folder / "other.csv", b"name,value\na,1\n")
    write(folder / "other.jsonl", {"another": "program"})
    if name == "pseudo_labels.parquet":  # in a folder of its own: it makes one a labels folder
        (folder / "labels").mkdir()
    file = folder / ("labels" if name == "pseudo_labels.parquet" else "") / name
    write(file, content)
    found = find_inputs([folder], SilentConsole())
    assert [one.path.name for one in found.shown] == ["b.jsonl"]
    (left,) = found.left_out
    assert left.path in (file, file.parent)
    assert told in left.reason


def test_what_a_section_cannot_read_is_left_out_of_a_folder_and_refused_by_name(
    tmp_path: Path,
) -> None:
    write_bundle(tmp_path / "all" / "bundle")
    old = write(tmp_path / "all" / "verify.json", VERIFIED)  # without any verdict
    noted, out = RecordedConsole(), tmp_path / "page.html"
    killed = write(tmp_path / f"{temporary_prefix(out).rpartition('-')[0]}-1.abc.tmp", b"half")
    result = report(ReportRequest((tmp_path / "all",), out), noted)
    assert result.sections == ("bundle",)
    assert not killed.exists()  # of a process that had this number before
    (told,) = noted.warned
    assert told.startswith(f"left out: {old}")
    assert "run `cdul-edge verify` again" in out.read_text("utf-8")
    with pytest.raises(CdulEdgeError, match="run `cdul-edge verify` again"):
        report(ReportRequest((tmp_path / "all", old), out, force=True), SilentConsole())


def test_two_of_a_kind_have_two_sections_and_one_given_twice_has_one(tmp_path: Path) -> None:
    one = write(tmp_path / "one.json", VERIFIED)
    two = write(tmp_path / "two.json", VERIFIED)
    noted = RecordedConsole()
    again = tmp_path / "x" / ".." / "one.json"
    (tmp_path / "x").mkdir()
    found = find_inputs([two, one, again], noted)
    assert [(o.key, o.path) for o in found.shown] == [("verify", two), ("verify-2", one)]
    assert noted.warned == [f"{again} was given twice: the page shows it once"]


def refusal(tmp_path: Path, **changes: Any) -> str:
    run = tmp_path / "run"
    request = {"inputs": (run,), "out": tmp_path / "page.html", **changes}
    with pytest.raises(CdulEdgeError) as raised:
        report(ReportRequest(**request), SilentConsole())
    return str(raised.value)


def test_a_page_is_not_written_over_what_is_not_ours_nor_into_an_input(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    summary = run / "summary.json"
    before = summary.read_bytes()
    assert "is inside" in refusal(tmp_path, out=run / "page.html")
    assert "is inside" in refusal(tmp_path, json=run / "page.json")
    assert "--force replaces only a report page" in refusal(tmp_path, out=summary, force=True)
    note = write(tmp_path / "note.html", "<p>mine</p>")
    assert "exists: choose another --out" in refusal(tmp_path, out=note)
    assert "is not a report page" in refusal(tmp_path, out=note, force=True)
    assert "is a folder: name a file" in refusal(tmp_path, out=tmp_path)
    same = tmp_path / "page.html"
    assert "--json and --out are both" in refusal(tmp_path, json=same)
    foreign = write(tmp_path / "my.json", {"program": "cdul-edge", "stage": "verify"})
    assert "is not a file of figures" in refusal(tmp_path, json=foreign)
    assert "is no folder: name where the images lie" in refusal(tmp_path, images=tmp_path / "no")
    assert not (tmp_path / "page.html").exists()
    assert summary.read_bytes() == before
    assert note.read_text("utf-8") == "<p>mine</p>"


def test_an_unknown_class_is_refused_with_the_nearest(tmp_path: Path) -> None:
    write_run(tmp_path)
    told = refusal(tmp_path, class_names=("cat", "cats"))
    assert told == "--class 'cats' is no class of what the page shows: did you mean cat?"
    told = refusal(tmp_path, class_names=("zebra",))
    assert told.endswith("there are cat, <dog>")


def test_an_earlier_page_is_replaced_only_by_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = write(tmp_path / "evaluation.json", EVALUATED)
    out = tmp_path / "new" / "page.html"  # the folder is made, as by every command
    request = ReportRequest((write_bundle(tmp_path / "bundle"),), out)
    first = report(request, SilentConsole())
    page = out.read_bytes()
    assert first.bytes == len(page)
    with pytest.raises(CdulEdgeError, match="exists: choose another --out, or replace it"):
        report(request, SilentConsole())
    forced = ReportRequest(request.inputs, out, force=True)
    report(forced, SilentConsole())
    assert out.read_bytes() == page
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", _no_space)
        with pytest.raises(OSError, match="No space"):
            report(forced, SilentConsole())
    assert out.read_bytes() == page
    assert [one.name for one in out.parent.iterdir()] == ["page.html"]
    assert verified.exists()


def _no_space(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("scores", [3, None, [1], "x"])
def test_a_class_is_not_looked_for_in_scores_that_are_none(scores: object, tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text(json.dumps({"path": "1.png", "labels": ["cat"], "scores": scores}) + "\n")
    asked = ReportRequest(inputs=(file,), out=tmp_path / "r.html")
    with pytest.raises(CdulEdgeError, match=r"p\.jsonl, line 1 has no scores by class"):
        report(replace(asked, class_names=("cat",)), SilentConsole())
    for odd in (replace(asked, out=Path("a\0.html")), replace(asked, json=Path("a\0b"))):
        with pytest.raises(CdulEdgeError, match="holds a zero byte"):
            report(odd, SilentConsole())
    assert not asked.out.exists()

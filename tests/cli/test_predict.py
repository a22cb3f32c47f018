from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge_runtime.bundle.manifest import Precision

COLORS = {"a/red.png": (255, 0, 0), "green.png": (0, 255, 0), "ünïcode.png": (0, 0, 0)}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    for name, color in COLORS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10), color).save(folder / name)
    return folder


def predict(*words: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["predict", *map(str, words)], input=stdin)


def rows(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_folder_gives_one_json_line_a_picture_in_sorted_order(
    bundle: Path, pictures: Path
) -> None:
    found = rows(predict(bundle, pictures))
    assert [row["path"] for row in found] == [str(pictures / name) for name in sorted(COLORS)]
    assert [row["labels"] for row in found] == [["red"], ["green"], []]
    assert list(found[0]["scores"]) == ["red", "green", "blue"]  # type: ignore[call-overload]


def test_a_bare_onnx_file_and_paths_on_stdin_give_the_same_lines(
    bundle: Path, pictures: Path
) -> None:
    stdin = "\n".join(str(pictures / name) for name in sorted(COLORS)) + "\n\n"
    piped = predict(bundle / "model.fp32.onnx", "-", stdin=stdin)
    assert rows(piped) == rows(predict(bundle, pictures))


def test_csv_has_a_column_of_scores_a_class(bundle: Path, pictures: Path) -> None:
    result = predict(bundle, pictures, "--format", "csv")
    table = list(csv.reader(io.StringIO(result.stdout)))
    assert table[0] == ["image_path", "red", "green", "blue"]
    assert table[1][0] == str(pictures / "a/red.png")
    assert float(table[1][1]) == pytest.approx(0.982, abs=1e-3)


def test_threshold_and_top_change_labels_and_scores(bundle: Path, pictures: Path) -> None:
    low = rows(predict(bundle, pictures / "green.png", "--threshold", 0, "--top", 1))
    assert set(low[0]["labels"]) == {"red", "green", "blue"}  # type: ignore[call-overload]
    assert list(low[0]["scores"]) == ["green"]  # type: ignore[call-overload]


def test_a_file_of_thresholds_decides_class_by_class(
    bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    file = tmp_path / "t.json"
    file.write_text('{"blue": 0, "red": 0.5, "green": null}')
    found = rows(predict(bundle, pictures, "--threshold", file))
    assert [sorted(row["labels"]) for row in found] == [  # type: ignore[call-overload]
        ["blue", "red"],
        ["blue"],
        ["blue"],
    ]
    file.write_text('{"blue": 0, "red": 0.5}')
    assert "no class 'green'" in predict(bundle, pictures, "--threshold", file).stderr
    assert "score in [0, 1]" in predict(bundle, pictures, "--threshold", 2).stderr


def test_unreadable_pictures_are_told_on_stderr_and_the_rest_goes_on(
    bundle: Path, pictures: Path
) -> None:
    (pictures / "broken.jpg").write_bytes(b"broken")
    result = predict(bundle, pictures)
    assert len(rows(result)) == 3
    runs, first, count = result.stderr.splitlines()
    assert runs.startswith("runs fp32 on cpu (")
    assert json.loads(first)["path"] == str(pictures / "broken.jpg")
    assert "not a picture" in json.loads(first)["error"]
    assert count == "1 of 4 pictures cannot be read"


def test_names_that_no_file_can_have_are_told_like_any_other_fault(
    bundle: Path, pictures: Path
) -> None:
    result = predict(bundle, "-", stdin=f"a\0b\n{pictures / 'green.png'}\n")
    assert [row["labels"] for row in rows(result)] == [["green"]]
    assert json.loads(result.stderr.splitlines()[1])["path"] == "a\0b"
    other = predict(bundle, "bad\udcff.jpg")
    assert other.exit_code == 2
    assert "is not UTF-8" in other.stderr


def test_a_file_is_written_whole_and_kept_without_force(
    bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.jsonl"
    assert predict(bundle, pictures, "--out", out).exit_code == 0
    lines = out.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == rows(predict(bundle, pictures))
    assert predict(bundle, pictures, "--out", out).exit_code == 2
    assert predict(bundle, pictures, "--out", out, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["/nope.jpg"], "none of the 1 pictures can be read"),
        (["-"], "no pictures: name files or folders"),
        (["{empty}"], "no pictures in"),
        (["{red}", "--top", "1", "--format", "csv"], "exclude each other"),
        (["{red}", "--threshold", "2"], r"expected a score in [0, 1]"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    bundle: Path, pictures: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    filled = [word.format(red=pictures / "a/red.png", empty=tmp_path / "empty") for word in words]
    result = predict(bundle, *filled, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert message in result.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_list_is_told_to_come_on_stdin(bundle: Path, pictures: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(str(pictures / "green.png"))
    result = predict(bundle, listed)
    assert result.exit_code == 2
    assert "list.txt is a list and no picture: send one path per line on stdin" in result.stderr


def test_a_damaged_bundle_is_one_line_and_exit_code_2(bundle: Path, pictures: Path) -> None:
    with (bundle / "model.fp32.onnx").open("ab") as file:
        file.write(b"x")
    result = predict(bundle, pictures)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "model.fp32.onnx has " in result.stderr


def test_a_device_and_a_precision_are_met_or_refused_in_one_line(
    bundle: Path, pictures: Path, add_precision: Callable[..., None]
) -> None:
    add_precision(bundle, Precision.INT8)
    result = predict(bundle, pictures, "--device", "cpu", "--precision", "int8")
    assert len(rows(result)) == 3
    assert result.stderr.splitlines() == ["runs int8 on cpu (as asked)"]
    refused = predict(bundle, pictures, "--precision", "int8-cpu")
    assert refused.exit_code == 2
    assert "cannot run in int8-cpu on any device: cpu int8-cpu: not in the bundle" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1

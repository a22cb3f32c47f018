from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge_runtime.bundle import MANIFEST
from cdul_edge_runtime.files import read_json, write_json
from cdul_edge_runtime.manifest import Precision


def verify(*words: object) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, words)])


def test_a_faithful_bundle_passes_and_leaves_a_report_beside_it(bundle: Path) -> None:
    before = sorted(path.name for path in bundle.iterdir())
    result = verify(bundle)
    assert result.exit_code == 0, result.output
    assert "fp32" in result.stdout
    report = read_json(bundle.parent / "bundle-verify.json")
    assert report["passed"] is True
    (row,) = report["rows"]
    assert (row["device"], row["precision"], row["passed"]) == ("cpu", "fp32", True)
    assert row["checks"][0]["name"] == "largest score difference to PyTorch"
    assert sorted(path.name for path in bundle.iterdir()) == before


def test_a_broken_limit_is_exit_code_1_and_stands_in_the_report(
    bundle: Path, tmp_path: Path
) -> None:
    content = read_json(bundle / MANIFEST)
    content["parity"]["limit"] = -1.0
    write_json(bundle / MANIFEST, content)
    result = verify(bundle, "--json", tmp_path / "r.json")
    assert result.exit_code == 1
    assert "verification failed" in result.stdout
    broken = [line for line in result.stdout.splitlines() if line.startswith("broken: ")]
    assert any("largest score difference to PyTorch" in b and "limit -1" in b for b in broken)
    assert read_json(tmp_path / "r.json")["passed"] is False


def test_pictures_with_truth_are_measured_and_json_goes_to_stdout(
    bundle: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (9, 9), (255, 0, 0)).save(folder / "r.png")
    Image.new("RGB", (9, 9), (0, 255, 0)).save(folder / "g.png")
    truth = tmp_path / "truth.csv"
    truth.write_text("image_path,Blue,red,green\nr.png,0,1,0\ng.png,0,0,1\n")
    result = verify(bundle, "--images", folder, "--truth", truth, "--json", "-")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    (row,) = report["rows"]
    assert row["pictures"]["metrics"]["map"] == row["pictures"]["map"] == 100.0
    assert report["pictures"] == {"count": 2, "unreadable": [], "truth": "given"}
    assert "mAP against the given truth" in result.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing file", "reference.npz is missing"),
        ("unknown version", "has format 7, this program reads 1"),
        ("not JSON", "is not valid JSON"),
    ],
)
def test_a_damaged_bundle_is_one_line_and_exit_code_2(
    bundle: Path, change: str, message: str
) -> None:
    if change == "missing file":
        (bundle / "reference.npz").unlink()
    elif change == "unknown version":
        write_json(bundle / MANIFEST, read_json(bundle / MANIFEST) | {"format": 7})
    else:
        (bundle / MANIFEST).write_text("{")
    result = verify(bundle)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert not (bundle.parent / "bundle-verify.json").exists()


def test_truth_without_images_and_a_bare_file_are_refused(bundle: Path, tmp_path: Path) -> None:
    assert "--truth needs --images" in verify(bundle, "--truth", tmp_path).stderr
    bare = verify(bundle / "model.fp32.onnx")
    assert bare.exit_code == 2
    assert "is not a folder" in bare.stderr


def test_all_lists_what_is_here_and_says_why_the_rest_is_not(
    bundle: Path, add_precision: Callable[..., None]
) -> None:
    add_precision(bundle, Precision.INT8_CPU)
    result = verify(bundle, "--precision", "all", "--backend", "all", "--repeats", 1)
    assert result.exit_code == 0, result.output
    report = read_json(bundle.parent / "bundle-verify.json")
    found = {(row["device"], row["precision"]) for row in report["rows"]}
    missing = {(one["device"], one["precision"]) for one in report["unavailable"]}
    assert {("cpu", "fp32"), ("cpu", "int8-cpu")} <= found
    assert ("cpu", "fp16") in missing
    assert len(found) + len(missing) == 4 + 3 + 3 + 3
    assert max(len(line) for line in result.stdout.splitlines()[:4]) <= 100


def test_a_wish_that_cannot_be_met_is_exit_code_2(bundle: Path) -> None:
    for words in (["--precision", "int8"], ["--precision", "int8", "--backend", "all"]):
        result = verify(bundle, *words)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1
        assert "int8" in result.stderr
    assert "--batches 1,x: expected whole numbers" in verify(bundle, "--batches", "1,x").stderr
    assert not (bundle.parent / "bundle-verify.json").exists()


def test_info_knows_the_report(bundle: Path) -> None:
    verify(bundle, "--repeats", 1)
    result = CliRunner().invoke(app, ["info", str(bundle.parent / "bundle-verify.json")])
    assert "verify report" in result.stdout
    assert '"precision": "fp32"' in result.stdout

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge_runtime.bundle import MANIFEST
from cdul_edge_runtime.files import read_json, write_json


def verify(*words: object) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, words)])


def test_a_faithful_bundle_passes_and_leaves_a_report_beside_it(bundle: Path) -> None:
    before = sorted(path.name for path in bundle.iterdir())
    result = verify(bundle)
    assert result.exit_code == 0, result.output
    assert "largest score difference to PyTorch" in result.stdout
    report = read_json(bundle.parent / "bundle-verify.json")
    assert report["passed"] is True
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
    assert report["pictures"]["metrics"]["map"] == 100.0
    assert report["pictures"]["count"] == 2
    assert "mAP against" not in result.stdout


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

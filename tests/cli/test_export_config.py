from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cdul_edge.cli import app

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def export_config(*words: object) -> Result:
    return CliRunner().invoke(app, ["export-config", *map(str, words)])


def test_the_folder_is_printed_and_limits_are_said(bundle: Path, tmp_path: Path) -> None:
    result = export_config("deepstream", bundle, "--out", tmp_path / "ds", "--batch-size", 2)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'ds'}\n"
    assert "without antialiasing" in result.stderr
    result = export_config("deepstream", bundle, "--out", tmp_path / "ds")
    assert result.exit_code == 2
    assert "exists: choose another --out, or replace it with --force" in result.stderr


def test_info_knows_both_folders_and_predict_the_other_graph(bundle: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    for target, folder in (("deepstream", "ds"), ("triton", "models")):
        export_config(target, bundle, "--out", tmp_path / folder)
    for folder, kind in (("ds", "folder for DeepStream"), ("models/bundle", "model for Triton")):
        told = runner.invoke(app, ["info", str(tmp_path / folder), "--json", "-"])
        assert json.loads(told.stdout)["kind"] == kind
    result = runner.invoke(app, ["predict", str(tmp_path / "ds" / "model.onnx"), "a.jpg"])
    assert result.exit_code == 2
    assert "expected images: tensor(uint8)[N, H, W, 3]" in result.stderr


def test_json_names_what_was_written(bundle: Path, tmp_path: Path) -> None:
    result = export_config(
        *("triton", bundle, "--out", tmp_path, "--name", "door", "--instances", "cpu"),
        *("--threshold", "0.4", "--json", "-"),
    )
    assert result.exit_code == 0, result.output
    written = json.loads(result.stdout)
    assert written["folder"] == str(tmp_path / "door")
    assert "1/model.onnx" in written["files"]
    assert "KIND_CPU" in (tmp_path / "door" / "config.pbtxt").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("deepstream", "--name", "door"), "are Triton's: leave them out for DeepStream"),
        (("deepstream", "--precision", "int8-cpu"), "int8-cpu cannot be served there"),
        (("triton", "--engine", "x.engine"), "needs the backend tensorrt"),
        (("triton", "--batch-size", "0"), "expected 1 to 1024"),
        (("deepstream", "--threshold", "missing.json"), "missing.json does not exist"),
    ],
)
def test_wrong_options_end_in_one_line(
    words: tuple[str, ...], message: str, bundle: Path, tmp_path: Path
) -> None:
    target, *rest = words
    result = export_config(target, bundle, "--out", tmp_path / "out", *rest)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()

"""`cdul-edge convert`: what it prints, and where."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cdul_edge.cli import app
from tests.fakes.labeled_pictures import write_labels


def test_stdout_has_the_result_and_stderr_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = write_labels(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = ["convert", labels.name, "out.json", "--to", "coco"]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, result.stdout) == (0, "out.json\n")
    assert result.stderr.splitlines() == [
        "pseudo-labels below their thresholds are absent in COCO",
        "4 pictures, 4 classes: 6 entries present, 10 absent",
    ]
    words = ["convert", "out.json", "observed.csv", "--from", "coco", "--labels", labels.name]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, result.stdout) == (0, "observed.csv\n")
    assert result.stderr == "4 pictures, 4 classes: 6 entries present, 10 absent\n"
    CliRunner().invoke(app, ["convert", labels.name, "fo", "--to", "fiftyone"])
    described = CliRunner().invoke(app, ["info", "fo"])
    assert "folder for fiftyone, of pseudo-labels" in described.stdout


def test_every_form_is_named_in_the_help() -> None:
    shown = CliRunner().invoke(app, ["convert", "--help"]).stdout
    for name in ("csv-scores", "imagefolder", "lightly-train", "label-studio", "fiftyone"):
        assert name in shown

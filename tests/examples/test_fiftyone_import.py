"""examples/fiftyone: what `cdul-edge predict` writes, read and put into a dataset."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cdul_edge.cli import app
from examples.fiftyone.import_predictions import Predicted, read_predictions

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples/fiftyone/import_predictions.py"
SHOW = """
import fiftyone as fo
for sample in fo.load_dataset("drawn"):
    labels = [(one.label, one.confidence) for one in sample.predictions.classifications]
    print(sample.filepath, labels)
"""


@pytest.fixture
def predictions(
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Path:
    """Of two pictures, with paths as they were given: from the current folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(name)
    words = "a.png b.png --threshold 0.001 --device cpu --out found.jsonl"
    done = CliRunner().invoke(app, ["predict", str(bundle), *words.split()])
    assert done.exit_code == 0, done.output
    return tmp_path / "found.jsonl"


def test_every_line_is_a_picture_with_its_labels_the_highest_score_first(predictions: Path) -> None:
    first, second = read_predictions(predictions)
    assert (first.path, second.path) == tuple(
        str((predictions.parent / name).resolve()) for name in ("a.png", "b.png")
    )
    scores = [score for _, score in first.labels]
    assert scores
    assert scores == sorted(scores, reverse=True)


def test_a_line_of_something_else_is_named(tmp_path: Path) -> None:
    file = tmp_path / "other.jsonl"
    file.write_text('{"path": "a.png", "labels": [], "scores": {}}\n{"path": "b.png"}\n')
    read = read_predictions(file)
    assert next(read) == Predicted(str(Path("a.png").resolve()), ())
    with pytest.raises(SystemExit, match=r"other\.jsonl, line 2: KeyError.*expected a line of"):
        next(read)


@pytest.mark.tools
@pytest.mark.filterwarnings("ignore")
def test_fiftyone_holds_the_labels_and_a_second_import_adds_no_picture(
    predictions: Path, fiftyones_database: Mapping[str, str]
) -> None:
    environment = {**os.environ, **fiftyones_database}

    def run(*words: str) -> list[str]:
        """What it prints; FiftyOne itself may say something first."""
        done = subprocess.run(
            [sys.executable, *words],
            cwd=predictions.parent,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    for _ in range(2):
        said = run(str(SCRIPT), predictions.name, "drawn")
        assert said[-1] == "2 pictures in drawn: fiftyone app launch drawn"
    expected = [f"{one.path} {list(one.labels)}" for one in read_predictions(predictions)]
    assert run("-c", SHOW)[-2:] == expected

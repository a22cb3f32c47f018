"""The explain command: panels, their index, and its one-line errors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.data.augmentation import to_network
from cdul_edge.training.run_folder import load_run
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.pictures.images import open_image

NAMES = ("red", "green", "blue")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs on eight pictures, each with some of three colored squares."""
    root = tmp_path_factory.mktemp("explained")
    (root / "pictures").mkdir()
    present = (np.arange(8)[:, None] >> np.arange(3)) % 2 == 1
    for number, row in enumerate(present):
        pixels = np.full((64, 96, 3), 90, np.uint8)
        for channel in np.flatnonzero(row):
            pixels[20:40, channel * 32 : channel * 32 + 24] = 20
            pixels[20:40, channel * 32 : channel * 32 + 24, channel] = 240
        Image.fromarray(pixels).save(root / "pictures" / f"{number}.png")
    PseudoLabels(
        root=root / "pictures",
        paths=tuple(f"{number}.png" for number in range(8)),
        classes=ClassList(NAMES),
        scores=np.where(present, 0.9, 0.1).astype(np.float32),
        thresholds=np.full(3, 0.5, np.float32),
    ).write(root / "labels.parquet")
    trained = CliRunner().invoke(
        app,
        ["train", str(root / "labels.parquet"), "--out", str(root / "run"), "--network"]
        + "clip:demo --weights none --image-size 64x96 --epochs 2 --batch-size 4".split()
        + ["--method", "fixed", "--precision", "fp32", "--no-flip"],
    )
    assert trained.exit_code == 0, trained.output
    return root / "run"


def invoke(run: Path, out: Path, *arguments: str) -> Result:
    images = run.parent / "pictures"
    words = ["explain", str(run), str(images), "--out", str(out), *arguments]
    return CliRunner().invoke(app, words)


def read(out: Path) -> dict[str, Any]:
    index: dict[str, Any] = json.loads((out / "index.json").read_text())
    return index


def test_every_picture_has_a_panel_and_its_scores_are_the_networks(
    run: Path, tmp_path: Path
) -> None:
    result = invoke(run, tmp_path / "out", "--class", "blue", "--class", "red")
    assert result.exit_code == 0, result.output
    assert "8 panels and index.json are in" in result.stderr
    index, trained = read(tmp_path / "out"), load_run(run)
    assert index["rows"] == ["after epoch 1", "after epoch 2"]
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "index.json", "index.html", *(entry["panel"] for entry in index["pictures"])
    }  # fmt: skip
    for number, entry in enumerate(index["pictures"]):
        assert entry["path"] == f"{number}.png"
        assert [shown["name"] for shown in entry["classes"]] == ["blue", "red"]
        pixels = trained.preprocess.apply(open_image(run.parent / "pictures" / entry["path"]))
        prepared = to_network(torch.from_numpy(pixels.copy())[None], trained.preprocess)
        scores = trained.network(prepared)[0].sigmoid()
        for shown, column in zip(entry["classes"], (2, 0), strict=True):
            assert shown["scores"][1] == pytest.approx(float(scores[column]), abs=1e-4)
            assert shown["predicted"] is bool(scores[column] >= trained.thresholds[column])
        with Image.open(tmp_path / "out" / entry["panel"]) as panel:
            assert panel.width == pytest.approx(3 * 240, rel=0.1)  # picture, blue, red
    first = [entry["classes"][0]["scores"][0] for entry in index["pictures"]]
    last = [entry["classes"][0]["scores"][1] for entry in index["pictures"]]
    assert first != last


def test_without_a_class_the_predicted_ones_are_shown_or_else_the_best(
    run: Path, tmp_path: Path
) -> None:
    assert invoke(run, tmp_path / "out", "--top", "2", "--limit", "5").exit_code == 0
    pictures = read(tmp_path / "out")["pictures"]
    assert len(pictures) == 5
    for entry in pictures:
        shown = entry["classes"]
        last = [found["scores"][-1] for found in shown]
        assert last == sorted(last, reverse=True)
        assert len(shown) in (1, 2)
        assert all(found["predicted"] for found in shown) or len(shown) == 1


def test_a_run_without_the_first_epochs_weights_shows_the_last_and_says_so(
    run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "first_epoch.pt").unlink()
    images = str(run.parent / "pictures")
    words = ["explain", str(tmp_path / "run"), images, "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "kept no weights of its first epoch" in result.stderr
    assert read(tmp_path / "out")["rows"] == ["after epoch 2"]
    (tmp_path / "run" / "first_epoch.pt").write_bytes(b"PK half a file")
    damaged = CliRunner().invoke(app, [*words, "--force"])
    assert damaged.exit_code == 2
    assert "first_epoch.pt is damaged" in damaged.stderr


def test_a_class_is_found_however_its_name_is_written_and_long_names_get_panels(
    run: Path, tmp_path: Path
) -> None:
    name = "é" * 120  # 240 bytes
    (tmp_path / "pictures").mkdir()
    shutil.copy(run.parent / "pictures" / "1.png", tmp_path / "pictures" / f"{name}.png")
    words = ["explain", str(run), str(tmp_path / "pictures"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*words, "--class", " Red "])
    assert result.exit_code == 0, result.output
    (entry,) = read(tmp_path / "out")["pictures"]
    assert [shown["name"] for shown in entry["classes"]] == ["red"]
    assert entry["path"] == f"{name}.png"
    assert (tmp_path / "out" / entry["panel"]).is_file()


def test_force_replaces_an_explanation_whole_and_nothing_else(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert invoke(run, out).exit_code == 0
    again = invoke(run, out, "--limit", "1")
    assert again.exit_code == 2
    assert "exists: choose another --out" in again.stderr
    assert len(list(out.iterdir())) == 10
    assert invoke(run, out, "--limit", "1", "--force").exit_code == 0
    assert len(list(out.iterdir())) == 3  # no panel of before is left
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    other = invoke(run, tmp_path / "mine", "--force")
    assert other.exit_code == 2
    assert "is not a folder of explanations that cdul-edge made" in other.stderr
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all of it"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--class", "gren"], "the run has no class 'gren': it has green"),
        (["--class", "red", "--top", "1"], "--class and --top exclude each other"),
        (["--device", "cuda:77"], "device 'cuda:77' cannot be used"),
    ],
)
def test_bad_input_ends_in_one_line_and_writes_nothing(
    run: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = invoke(run, tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_damaged_picture_and_a_folder_that_is_no_run_write_nothing(
    run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run.parent / "pictures", tmp_path / "pictures")
    (tmp_path / "pictures" / "7.png").write_bytes(b"no picture")
    words = ["explain", str(run), str(tmp_path / "pictures"), "--out", str(tmp_path / "out")]
    damaged = CliRunner().invoke(app, words)
    assert damaged.exit_code == 2
    assert "7.png is not a picture" in damaged.stderr
    words[1] = str(tmp_path)
    no_run = CliRunner().invoke(app, words)
    assert no_run.exit_code == 2
    assert "is not a run: make one with `cdul-edge train" in no_run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]

"""Runs made in the former spelling of the settings load, export, resume and end as they did.

`old_run` was made by the program at commit b501723 on the pictures that `paint` draws:

    cdul-edge train labels.parquet --out finished --images /data/squares --network clip:clip
        --weights none --image-size 32 --epochs 2 --batch-size 4 --optimiser sgd --lr 0.01
        --colour 0.2 --shuffle-colours 0.5 --set label_warmup=1 --set freeze_after=1
        --precision fp32

`interrupted` is the same run, stopped in its second epoch.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.checkpoint import Checkpoint
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.run_folder import RunConfig, load_run
from cdul_edge.training.summary import read_metrics, read_summary
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.pictures.resizer import resizer_name

OLD = Path(__file__).parent / "old_run"
SAME = (
    "--network clip:clip --weights none --image-size 32 --epochs 2 --batch-size 4 --optimizer sgd "
    "--lr 0.01 --color 0.2 --shuffle-colors 0.5 --set label_warmup=1 --set freeze_after=1 "
    "--precision fp32"
).split()


def paint(folder: Path) -> Path:
    """Eight gray pictures, each with some of a red, a green and a blue bar."""
    folder.mkdir()
    for number in range(8):
        pixels = np.full((32, 32, 3), 90, np.uint8)
        for channel in range(3):
            if number >> channel & 1:
                bar = pixels[4:24, channel * 11 : channel * 11 + 10]
                bar[:] = 0
                bar[..., channel] = 240
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def resume(run: Path, pictures: Path, *options: str) -> Result:
    words = ["train", str(OLD / "labels.parquet"), "--out", str(run), "--images", str(pictures)]
    return CliRunner().invoke(app, [*words, *SAME, *options])


def test_a_finished_run_loads_and_is_reported_and_exported(tmp_path: Path) -> None:
    run = Path(shutil.copytree(OLD / "finished", tmp_path / "run"))
    settings = RunConfig.read(run).settings
    assert (settings.optimizer, settings.color, settings.shuffle_colors) == ("sgd", 0.2, 0.5)
    trained = load_run(run)
    assert trained.classes.names == ("red", "green", "blue")
    assert trained.thresholds.tolist() == pytest.approx(list(read_summary(run).thresholds))
    with torch.no_grad():
        assert trained.network(torch.zeros(2, 3, 32, 32)).shape == (2, 3)
    pictures = paint(tmp_path / "pictures")
    before = (run / "checkpoint.pt").read_bytes()
    again = resume(run, pictures)
    assert again.exit_code == 0, again.output
    assert "is finished" in again.stderr
    assert (run / "checkpoint.pt").read_bytes() == before
    refined = PseudoLabels.read(run / "pseudo_labels_refined.parquet")
    replace(refined, root=pictures).write(run / "pseudo_labels_refined.parquet")
    exported = CliRunner().invoke(app, ["export", str(run), "--out", str(tmp_path / "bundle")])
    assert exported.exit_code == 0, exported.output
    assert trained.score_reference is None
    assert Bundle.load(tmp_path / "bundle").score_reference() is None


def test_an_interrupted_run_is_resumed_to_the_end_that_it_would_have_had(tmp_path: Path) -> None:
    run = Path(shutil.copytree(OLD / "interrupted", tmp_path / "run"))
    result = resume(run, paint(tmp_path / "pictures"))
    assert result.exit_code == 0, result.output
    assert "resuming after epoch 1 of 2" in result.stderr
    now = resizer_name()
    assert f"Pillow resized the pictures before, and {now} does from here on" in result.stderr
    assert RunConfig.read(run).resizers == ("Pillow", now)
    found, expected = (Checkpoint.read(folder) for folder in (run, OLD / "finished"))
    assert (found.epoch, found.step) == (expected.epoch, expected.step) == (2, 4)
    for name, weights in expected.network.items():
        torch.testing.assert_close(found.network[name], weights, rtol=1e-2, atol=1e-3)
    one, other = (read_metrics(folder)[-1] for folder in (run, OLD / "finished"))
    assert one.rate == other.rate == pytest.approx(0.0025)  # 0.01 * (1 + cos(pi 2/3)) / 2
    assert one.bce == pytest.approx(other.bce, rel=1e-2)
    refined, then = (
        PseudoLabels.read(folder / "pseudo_labels_refined.parquet").scores
        for folder in (run, OLD / "finished")
    )
    np.testing.assert_allclose(refined, then, atol=1e-2)


def test_other_settings_are_still_told_apart(tmp_path: Path) -> None:
    run = Path(shutil.copytree(OLD / "interrupted", tmp_path / "run"))
    other = resume(run, paint(tmp_path / "pictures"), "--color", "0.3")
    assert other.exit_code == 2
    assert "color 0.2 (now 0.3)" in other.stderr


def test_what_is_written_now_is_in_the_new_spelling(tmp_path: Path) -> None:
    run = Path(shutil.copytree(OLD / "interrupted", tmp_path / "run"))
    assert resume(run, paint(tmp_path / "pictures")).exit_code == 0
    content = torch.load(run / "checkpoint.pt", weights_only=True)
    assert "optimizer" in content
    assert "optimiser" not in content
    assert TrainConfig(**content["settings"]).optimizer == "sgd"

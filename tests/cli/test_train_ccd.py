"""Classifier-guided training through the commands: the bundled CLIP looks at drawn scenes again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge.demo.world import World, paint_world
from cdul_edge.labels.pseudo_labels import PseudoLabels

SMALL = "--network clip:demo --image-size 64 --batch-size 8 --epochs 3 --method ccd".split()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """24 scenes, and their labels beside them."""
    painted = paint_world(tmp_path_factory.mktemp("ccd"), train=24, heldout=1, seed=3, workers=1)
    words = ["label", f"{painted.train}", "--classes", f"{painted.classes}", "--clip", "demo"]
    done = CliRunner().invoke(
        app, [*words, "--out", f"{painted.root / 'labels'}", "--workers", "0"]
    )
    assert done.exit_code == 0, done.output
    return painted


def train(labels: Path, out: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["train", f"{labels}", "--out", f"{out}", *SMALL, *arguments])


def test_clip_looks_again_once_and_the_labels_follow(world: World, tmp_path: Path) -> None:
    labels, run = world.root / "labels", tmp_path / "run"
    result = train(labels, run, "--set", "label_warmup=2")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("CLIP looks at") == 1
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines if "look_threshold" in line] == [2]
    # 12 classes: three of them are looked at in the mean, within one
    assert 0.05 <= lines[1]["look_threshold"] < 1
    assert lines[1]["pictures_seen_again"] > 0.5
    first = PseudoLabels.read(labels)
    last = PseudoLabels.read(run / "pseudo_labels_refined.parquet")
    assert last.paths == first.paths
    assert 0.005 < float(np.abs(last.scores - first.scores).mean()) < 0.5


def test_a_class_that_clip_sees_in_its_region_is_raised_and_one_it_does_not_see_sinks(
    world: World, tmp_path: Path
) -> None:
    """With nothing but the second look as labels, each is some piece's softmax value."""
    given = ["--set", "old_share=0", "--set", "debias=off", "--set", "classes_per_picture=12"]
    result = train(world.root / "labels", tmp_path / "run", *given)
    assert result.exit_code == 0, result.output
    labels = PseudoLabels.read(tmp_path / "run" / "pseudo_labels_refined.parquet")
    # Every class has a piece: the best of several softmax values sums to more than one softmax.
    sums = labels.scores.sum(axis=1)
    assert sums.min() >= 1 - 1e-5
    assert sums.mean() > 1.5
    assert labels.scores.max() > 0.8


def test_needs_that_are_not_met_are_one_line_before_anything_is_written(
    world: World, tmp_path: Path
) -> None:
    labels = world.root / "labels"
    shutil.copy(labels / "pseudo_labels.parquet", tmp_path / "bare.parquet")
    shutil.copytree(labels, tmp_path / "imported")
    manifest = json.loads((labels / "manifest.json").read_text())
    (tmp_path / "imported" / "manifest.json").write_text(json.dumps({**manifest, "model": None}))
    hidden = ["--network", "mobilenet_v3_small", "--weights", "none"]
    cases: list[tuple[Path, list[str], str]] = [
        (tmp_path / "bare.parquet", [], "bare.parquet has no manifest.json, so which CLIP made"),
        (tmp_path / "imported", [], "imported was imported with --from-similarities"),
        (labels, hidden, "mobilenet_v3_small has no class activation maps"),
        (labels, ["--image-size", "32"], "is a single place at 32x32 px"),
        (labels, ["--epochs", "1"], "looks again after epoch 1 of 1: give more --epochs"),
        (labels, ["--set", "source=similarities"], "source 'similarities', expected scores or"),
    ]
    for path, arguments, message in cases:
        result = train(path, tmp_path / "run", *arguments)
        assert result.exit_code == 2, result.output
        assert message in result.stderr
        assert "ccd" in result.stderr or "source" in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
        assert not (tmp_path / "run").exists()
    off = train(tmp_path / "bare.parquet", tmp_path / "run", "--set", "relabel=off")
    assert off.exit_code == 0, off.output

"""Run folders that are no runs, unfinished, damaged or of other classes are refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cdul_edge.training.run_folder import keep_metrics, load_run
from cdul_edge_runtime.errors import CdulEdgeError


@pytest.fixture(scope="module")
def finished(squares: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cdul_edge.training.config import TrainConfig
    from cdul_edge.training.progress import Talk
    from cdul_edge.training.train import train_student

    out = tmp_path_factory.mktemp("runs") / "run"
    config = TrainConfig(
        network="clip:demo", weights="none", height_px=32, width_px=32, epochs=1, batch_size=6
    )
    train_student(squares.labels, out, config, talk=Talk(quiet=True))
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def rewrite_checkpoint(run: Path, **changes: Any) -> None:
    content = torch.load(run / "checkpoint.pt", weights_only=True)
    torch.save({**content, **changes}, run / "checkpoint.pt")


def test_a_run_is_read_without_the_weights_it_started_from(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["settings"]["network"] = "clip:/nowhere/at/all"
    (run / "config.json").write_text(json.dumps(config))
    assert load_run(run).classes.names == ("red", "green", "blue")


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CdulEdgeError, match="is no run"):
        load_run(tmp_path)


def test_a_run_that_is_not_finished_is_refused(run: Path) -> None:
    (run / "summary.json").unlink()
    with pytest.raises(CdulEdgeError, match="is not finished: the same `cdul-edge train`"):
        load_run(run)


def test_a_checkpoint_of_other_classes_is_refused(run: Path) -> None:
    rewrite_checkpoint(run, classes=["cat", "dog", "cow"])
    with pytest.raises(CdulEdgeError, match="trained for the 3 classes cat, dog, cow, but these"):
        load_run(run)


def test_a_checkpoint_that_is_cut_is_refused(run: Path) -> None:
    content = (run / "checkpoint.pt").read_bytes()
    (run / "checkpoint.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(CdulEdgeError, match=r"checkpoint\.pt is damaged"):
        load_run(run)


def test_a_checkpoint_with_code_in_it_is_not_run(run: Path) -> None:
    torch.save({"format": 1, "epoch": Path("/tmp")}, run / "checkpoint.pt")
    with pytest.raises(CdulEdgeError, match=r"checkpoint\.pt is damaged"):
        load_run(run)


def test_a_checkpoint_of_another_version_is_refused(run: Path) -> None:
    rewrite_checkpoint(run, format=99)
    with pytest.raises(CdulEdgeError, match="has format 99, this program reads 1"):
        load_run(run)


def test_a_run_of_another_version_is_refused(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "format": 99}))
    with pytest.raises(CdulEdgeError, match="is not of format 2"):
        load_run(run)


def test_lines_of_lost_epochs_and_cut_lines_are_dropped(tmp_path: Path) -> None:
    lines = [json.dumps({"epoch": epoch, "loss": 0.5}) for epoch in (1, 2, 3)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + '\n{"epoch": 4, "lo')
    assert [line["epoch"] for line in keep_metrics(tmp_path, 2)] == [1, 2]
    assert (tmp_path / "metrics.jsonl").read_text().splitlines() == lines[:2]


def test_a_folder_with_something_else_is_left_alone(
    train: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(CdulEdgeError, match=r"is not empty and holds no run \(such as thesis"):
        train(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    train(tmp_path, epochs=1, force=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"

"""Training on some of the labeled pictures, and without a look at every epoch."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.scored_pictures import read_scored_pictures
from cdul_edge.training.data.dataset import locate_pictures, open_pictures
from cdul_edge.training.loop import Trainer
from cdul_edge.training.methods import make_method
from cdul_edge.training.networks.network import create_network
from cdul_edge.training.request import DataOptions, EvaluationOptions, ObservedOptions
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.method_inputs import know
from tests.training.conftest import Train


def test_a_run_learns_only_from_the_pictures_that_it_is_told(train: Train, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("01.png\n07\n11.png\n")
    observed = tmp_path / "observed.csv"
    observed.write_text("image_path,red\n00.png,1\n07.png,0\n")
    out = tmp_path / "run"
    summary = train(out, only=listed, epochs=1, observed=ObservedOptions(files=(observed,)))
    assert summary.pictures == 3
    refined = PseudoLabels.read(out / "pseudo_labels_refined.parquet")
    assert refined.paths == ("01.png", "07.png", "11.png")
    assert refined.scores[1, 0] == 0  # the picture's own row of what people saw
    listed.write_text("01.png\n07\n10.png\n")
    with pytest.raises(CdulEdgeError, match=r"3 of the labeled pictures \(now 3 others\)"):
        train(out, only=listed, epochs=1, observed=ObservedOptions(files=(observed,)))


def test_labels_of_pictures_that_are_not_here_are_refused_with_both_ways_out(
    train: Train, squares: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "some"
    shutil.copytree(squares.root / "train", folder)
    for name in ("03.png", "09.png"):
        (folder / name).unlink()
    images = DataOptions(images=folder)
    with pytest.raises(
        CdulEdgeError, match=r"2 of 12 labeled pictures are not in .*'03.png': .*--images.*--only p"
    ):
        train(tmp_path / "run", data=images)
    assert train(tmp_path / "run", data=images, only="present", epochs=1).pictures == 10


def test_a_run_that_is_not_resumable_measures_and_keeps_its_state_at_the_end(
    train: Train, squares: Any, tmp_path: Path
) -> None:
    measured = EvaluationOptions(squares.val, squares.val_truth, squares.truth, every_epoch=False)
    quick = train(tmp_path / "quick", epochs=2, evaluation=measured, resumable=False)
    lines = (tmp_path / "quick" / "metrics.jsonl").read_text().splitlines()
    assert ["val" in json.loads(line) for line in lines] == [False, False]
    assert not (tmp_path / "quick" / "first_epoch.pt").exists()
    whole = train(tmp_path / "whole", epochs=2, evaluation=replace(measured, every_epoch=True))
    assert quick.val == whole.val
    scored = PseudoLabels.read(tmp_path / "quick" / "heldout_scores.parquet")
    assert len(scored.paths) == 8
    assert read_scored_pictures(tmp_path / "quick" / "heldout_scores.parquet").labelled_by is None
    assert scored.thresholds.tolist() == pytest.approx(
        [math.inf if value is None else value for value in quick.thresholds]
    )


def test_a_weight_that_is_not_finite_is_named_after_the_epoch(squares: Any, small: Any) -> None:
    """A variance that overflows gives finite losses: only the weights themselves show it."""
    config = small(epochs=1)
    network, plan = create_network(config, 3)
    name = next(n for n, _ in network.named_buffers() if n.endswith("running_var"))
    labels = PseudoLabels.read(squares.labels)
    pictures = open_pictures(
        locate_pictures(labels.folder, labels.paths),
        plan.preprocess, DataOptions(), scratch=squares.root, remedy="",
    )  # fmt: skip
    trainer = Trainer(
        network, make_method(config, know(torch.tensor(labels.scores))), pictures,
        preprocess=plan.preprocess, config=config, device=torch.device("cpu"),
    )  # fmt: skip
    network.get_buffer(name).fill_(math.inf)
    with pytest.raises(CdulEdgeError, match=rf"weights are not finite since epoch 1 \({name}\)"):
        trainer.train_epoch()

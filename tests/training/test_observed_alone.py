"""`--labels-from observed`: a run that no pseudo-label reaches, and what it says of itself."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.config import METHODS, MethodName
from cdul_edge.training.request import EvaluationOptions, ObservedOptions
from cdul_edge.training.run_folder import RunConfig
from cdul_edge.training.summary import read_summary
from cdul_edge_runtime.errors import CdulEdgeError
from tests.training.conftest import Squares, Train
from tests.training.test_every_method import EAGER
from tests.training.test_train import results

OLD_RUN = Path(__file__).parent / "old_run" / "finished"
REFUSED = {"cdul", "ccd", "distill"}  # they revise or need pseudo-labels


def observe(squares: Squares, simulate: str = "50%") -> ObservedOptions:
    return ObservedOptions(simulate=simulate, truth=squares.truth, labels_from="observed")


@pytest.fixture(scope="module")
def scrambled(squares: Squares, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Labels with CLIP's similarities, and the same with other scores and thresholds."""
    folder = tmp_path_factory.mktemp("scrambled")
    labels = PseudoLabels.read(squares.labels)
    labels = replace(labels, cosines=(0.1 * labels.scores).astype(np.float32))
    other = np.random.default_rng(0).random(labels.scores.shape, dtype=np.float32)
    labels.write(folder / "labels.parquet")
    shuffled = replace(labels, scores=other, thresholds=np.full(3, 0.9, np.float32))
    shuffled.write(folder / "scrambled.parquet")
    return folder / "labels.parquet", folder / "scrambled.parquet"


@pytest.mark.parametrize("method", [name for name in METHODS if name not in REFUSED])
def test_other_pseudo_labels_give_the_same_bits(
    train: Train, squares: Squares, scrambled: tuple[Path, Path], tmp_path: Path, method: MethodName
) -> None:
    found = []
    for number, labels in enumerate(scrambled):
        out = tmp_path / str(number)
        summary = train(
            out, labels_path=labels, observed=observe(squares), epochs=2, method=method,
            method_settings=EAGER.get(method, {}),
        )  # fmt: skip
        values = results(out)
        del values["/labels_sha256"]  # which file it was is on record
        found.append((values, summary.thresholds))
    assert found[0] == found[1]


def test_a_run_says_that_it_learned_from_observed_labels_alone(
    train: Train, squares: Squares, tmp_path: Path
) -> None:
    truth = EvaluationOptions(train_truth=squares.truth)
    summary = train(
        tmp_path, observed=observe(squares, "single-positive"), method="an", evaluation=truth
    )
    config = RunConfig.read(tmp_path)
    assert config.labels_from == summary.labels_from == "observed"
    assert config.observed_from is not None
    assert config.observed_from.endswith(
        "10 present, 0 absent, of 36 labels, without pseudo-labels"
    )
    assert read_summary(tmp_path) == summary
    # The labels' mAP is that of what was observed, and the pseudo-labels, all right, are not.
    assert summary.labels_map is not None
    assert summary.labels_map[0] < 100


def test_thresholds_come_from_what_was_observed_alone(
    train: Train, squares: Squares, tmp_path: Path
) -> None:
    # red: one of two answers; green: none of three; blue: nobody was asked.
    rows = ["00,1,0", "01,0,0", "02,,0"]
    file = tmp_path / "seen.csv"
    text = "\n".join(["image_path,red,green", *(f"{row[:2]}.png{row[2:]}" for row in rows)])
    file.write_text(text + "\n")
    options = ObservedOptions((file,), labels_from="observed")
    summary = train(tmp_path / "run", epochs=1, method="fixed", observed=options)
    assert summary.never_predicted == ["green", "blue"]
    refined = PseudoLabels.read(tmp_path / "run" / "pseudo_labels_refined.parquet")
    assert refined.scores[:3, :2].tolist() == [[1, 0], [0, 0], [0.5, 0]]
    assert refined.scores[3:].tolist() == [[0.5, 0, 0]] * 9


def test_the_same_labels_beside_pseudo_labels_are_another_run(
    train: Train, squares: Squares, tmp_path: Path
) -> None:
    alone = observe(squares)
    train(tmp_path, epochs=1, method="fixed", observed=alone)
    with pytest.raises(CdulEdgeError, match=r"labels from observed \(now observed\+pseudo\)"):
        train(
            tmp_path, epochs=1, method="fixed",
            observed=replace(alone, labels_from="observed+pseudo"),
        )  # fmt: skip


def test_a_run_from_before_the_choice_learned_from_both(tmp_path: Path) -> None:
    run = Path(shutil.copytree(OLD_RUN, tmp_path / "run"))
    assert "labels_from" not in json.loads((run / "config.json").read_text())
    assert RunConfig.read(run).labels_from == "observed+pseudo"
    assert read_summary(run).labels_from == "observed+pseudo"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels_from": "observed"}, "needs labels that people gave: give --observed, or"),
        ({"labels_from": "truth"}, "labels from 'truth': expected observed.pseudo or observed"),
    ],
)
def test_a_choice_that_cannot_be_kept_is_refused(options: Any, message: str) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        ObservedOptions(**options)

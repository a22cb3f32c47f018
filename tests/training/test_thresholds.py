"""How often each class is expected, and what a finished run's thresholds make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="methods are told of tensors")

import torch

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.methods.base import Supervision
from cdul_edge.training.methods.known_labels import know_observed_only
from cdul_edge.training.thresholds import Expected
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.thresholds import prevalence_thresholds, thresholds_for_new_pictures

SCORES = np.array([[0.9, 0.2], [0.6, 0.4], [0.4, 0.3], [0.1, 0.3]], np.float32)


def labels(rule: object) -> PseudoLabels:
    provenance: dict[str, Any] = {} if rule is None else {"aggregation": {"thresholds": rule}}
    return PseudoLabels(
        root=Path("photos"),
        paths=("a.jpg", "b.jpg", "c.jpg", "d.jpg"),
        classes=ClassList(("cat", "dog")),
        scores=SCORES,
        thresholds=np.array([0.9, 0.3], np.float32),  # 1 of 4, and 3 of 4
        provenance=provenance,
    )


def supervision(observed: list[list[int]]) -> Supervision:
    return Supervision(
        scores=torch.from_numpy(SCORES),
        observed=torch.tensor(observed, dtype=torch.int8),
        cosines=None,
        hard=False,
        epochs=1,
    )


NOBODY = supervision([[0, 0]] * 4)


def test_scores_add_up_to_what_is_expected() -> None:
    expected = Expected.of(labels("hard-prevalence"), NOBODY)
    np.testing.assert_allclose(expected.prevalence, [2.0 / 4, 1.2 / 4], rtol=1e-6)
    assert not expected.exactly


@pytest.mark.parametrize("rule", ["otsu", "shares.json", None])
def test_thresholds_that_people_chose_for_the_labels_are_kept_to(rule: object) -> None:
    """Nothing says how labels of other programs came to theirs: they are kept to as well."""
    expected = Expected.of(labels(rule), NOBODY)
    np.testing.assert_allclose(expected.prevalence, [1 / 4, 3 / 4])
    assert expected.exactly


def test_what_people_saw_counts_in_place_of_scores() -> None:
    seen = supervision([[-1, 0], [1, 0], [0, 0], [0, 1]])
    expected = Expected.of(labels("hard-prevalence"), seen)
    np.testing.assert_allclose(expected.prevalence, [1.5 / 4, 1.9 / 4], rtol=1e-6)


def test_of_observed_labels_alone_the_answers_count() -> None:
    alone = know_observed_only(
        torch.tensor([[1, 0], [-1, 0], [0, -1], [0, 0]], dtype=torch.int8), cosines=None, epochs=1
    )
    expected = Expected.of(labels("hard-prevalence"), alone)
    np.testing.assert_allclose(expected.prevalence, [1 / 2, 0])
    assert expected.exactly


@pytest.mark.parametrize("exactly", [True, False])
def test_a_network_predicts_as_often_as_people_said_or_for_the_best_f1(exactly: bool) -> None:
    scores = np.array([[0.8], [0.6], [0.4], [0.2]], np.float32)
    prevalence = np.array([0.5], np.float32)
    rule = prevalence_thresholds if exactly else thresholds_for_new_pictures
    found = Expected(prevalence, exactly).thresholds(scores)
    np.testing.assert_array_equal(found, rule(scores, prevalence))

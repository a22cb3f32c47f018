"""Pseudo-labels that a run corrects by what people observed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.score_shifts import fit_shifts
from cdul_edge.training.data.corrected_labels import correct_labels
from cdul_edge.training.data.observed import ObservedLabels
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.console import SilentConsole
from tests.fakes.recorded_console import RecordedConsole

N = 40


@pytest.fixture
def labels(tmp_path: Path) -> PseudoLabels:
    """Scores of 40 pictures and two classes, from 0.05 to 0.95; half of them predicted."""
    column = np.linspace(0.05, 0.95, N, dtype=np.float32)
    return PseudoLabels(
        paths=tuple(f"{row}.jpg" for row in range(N)),
        scores=np.stack([column, column[::-1]], axis=1),
        classes=ClassList(("cat", "dog")),
        thresholds=np.array([0.5, 0.5], np.float32),
        root=tmp_path,
        provenance={"aggregation": {"strategy": "evidence", "thresholds": "otsu"}},
    )


@pytest.fixture
def people() -> ObservedLabels:
    """Ten cats where the score is about 1/2, and ten pictures without a dog."""
    values = np.zeros((N, 2), np.int8)
    values[15:25, 0], values[15:25, 1] = 1, -1
    return ObservedLabels(values, "seen.csv")


def test_classes_are_shifted_and_chosen_thresholds_decide_as_before(
    labels: PseudoLabels, people: ObservedLabels
) -> None:
    heard = RecordedConsole()
    found = correct_labels(labels, people, heard)
    rows, columns = np.nonzero(people.values)
    shifts = fit_shifts(labels.scores[rows, columns], columns, people.values[rows, columns] > 0, 2)
    assert shifts.shifts[0] > 0.5
    assert shifts.shifts[1] < -0.5
    assert found.scores.tobytes() == shifts.of(labels.scores).tobytes()
    assert np.array_equal(found.scores >= found.thresholds, labels.scores >= labels.thresholds)
    assert heard.said == [f"pseudo-labels: {shifts.describe(['cat', 'dog'])}"]
    assert (labels.scores[:, 0] == np.linspace(0.05, 0.95, N, dtype=np.float32)).all()


def test_what_is_corrected_or_learned_alone_or_one_sided_stays(
    labels: PseudoLabels, people: ObservedLabels
) -> None:
    heard = RecordedConsole()
    assert correct_labels(labels, replace(people, alone=True), heard) is labels
    assert heard.said == []
    done = replace(labels, provenance={"aggregation": {"observed": {"learned_from": 3}}})
    assert correct_labels(done, people, heard) is done
    named = replace(people, values=np.maximum(people.values, 0))
    assert correct_labels(labels, named, heard) is labels
    assert heard.said == [
        "the pseudo-labels were corrected by observed labels when they were made",
        "pseudo-labels: 100% of the answers say present, as where only what is seen is named: "
        "the scores stay",
    ]


def test_answers_are_tried_where_earlier_ones_taught_nothing(
    labels: PseudoLabels, people: ObservedLabels
) -> None:
    tried = replace(labels, provenance={"aggregation": {"observed": {"learned_from": 0}}})
    found = correct_labels(tried, people, SilentConsole())
    assert np.array_equal(found.scores, correct_labels(labels, people, SilentConsole()).scores)
    assert found is not tried

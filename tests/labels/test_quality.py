from __future__ import annotations

import numpy as np
import pytest

from cdul_edge.labels.quality import measure_label_quality
from cdul_edge_runtime.bundle.classes import ClassList

CLASSES = ClassList(("a", "b", "c"))
SCORES = np.array([[0.9, 0.5, 0.1], [0.2, 0.4, 0.0], [0.8, 0.1, 0.2], [0.6, 0.3, 0.1]])
TRUTH = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]], np.int8)


def test_soft_labels_beside_the_truth_can_be_counted_by_hand() -> None:
    found = measure_label_quality(SCORES, TRUTH, CLASSES)
    assert found.row_sum == pytest.approx((1.5 + 0.6 + 1.1 + 1.0) / 4)
    assert found.row_sum_truth == 1.0
    # Hardened: a on pictures 0, 2 and 3 (two right), b on picture 0 (wrong); four are true.
    assert found.hard_precision == 100 * 2 / 4
    assert found.hard_recall == 100 * 2 / 4
    assert found.pictures_without_positive == 25  # picture 1
    assert found.pictures_without_positive_truth == 25  # picture 3
    assert found.prevalence_ratio == {"a": 3 / 2, "b": 1 / 2, "c": None}
    assert found.soft_prevalence_ratio == {
        "a": pytest.approx(2.5 / 2),
        "b": pytest.approx(1.3 / 2),
        "c": None,
    }


def test_what_is_not_known_counts_neither_way() -> None:
    truth = TRUTH.copy()
    truth[0, 1] = -1
    truth[3] = -1
    found = measure_label_quality(SCORES, truth, CLASSES)
    assert found.row_sum == pytest.approx((1.0 + 0.6 + 1.1) / 3)
    assert found.row_sum_truth == pytest.approx(4 / 3)
    assert found.hard_precision == 100
    assert found.pictures_without_positive == pytest.approx(100 / 3)
    assert found.prevalence_ratio["a"] == 1


def test_the_truth_itself_is_perfect_and_nothing_said_is_not_divided_by() -> None:
    perfect = measure_label_quality(TRUTH.astype(float), TRUTH, CLASSES)
    assert (perfect.hard_precision, perfect.hard_recall, perfect.row_sum) == (100, 100, 1)
    silent = measure_label_quality(np.zeros((4, 3)), TRUTH, CLASSES)
    assert (silent.hard_precision, silent.hard_recall) == (0, 0)
    assert silent.pictures_without_positive == 100

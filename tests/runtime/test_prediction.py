from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import MissingExtraError
from cdul_edge_runtime.prediction import Prediction

PREDICTION = Prediction(
    scores=np.array([0.2, 0.9, 0.5, 0.5], np.float32),
    classes=ClassList(("cat", "dog", "hen", "cow")),
    thresholds=np.array([0.1, 0.95, 0.5, np.inf], np.float32),
)


def test_labels_reach_their_own_threshold_the_highest_score_first() -> None:
    assert PREDICTION.labels == ["hen", "cat"]  # dog is below 0.95, cow is never predicted


def test_labels_with_the_same_score_keep_class_order() -> None:
    scores = np.array([0.5, 0.5, 0.7, 0.5], np.float32)
    tied = Prediction(scores, PREDICTION.classes, np.full(4, 0.5, np.float32))
    assert tied.labels == ["hen", "cat", "dog", "cow"]


def test_top_ignores_thresholds_and_keeps_class_order_in_ties() -> None:
    assert PREDICTION.top(3) == [("dog", 0.9), ("hen", 0.5), ("cow", 0.5)]
    assert len(PREDICTION.top(99)) == 4


def test_the_dictionary_is_plain_json_in_class_order() -> None:
    text = json.dumps(PREDICTION.to_dict())
    assert text == (
        '{"labels": ["hen", "cat"], "scores": {"cat": 0.2, "dog": 0.9, "hen": 0.5, "cow": 0.5}}'
    )


def test_supervision_gets_the_labels_with_their_columns_and_scores() -> None:
    supervision = pytest.importorskip("supervision", reason="supervision is not installed")
    given = PREDICTION.to_supervision()
    assert isinstance(given, supervision.Classifications)
    assert given.class_id.tolist() == [2, 0]
    assert given.confidence == pytest.approx([0.5, 0.2])
    assert [PREDICTION.classes.names[c] for c in given.class_id] == PREDICTION.labels
    top, confidence = given.get_top_k(1)
    assert (top.tolist(), confidence.tolist()) == ([2], [0.5])


def test_supervision_gets_nothing_where_there_is_no_label() -> None:
    pytest.importorskip("supervision", reason="supervision is not installed")
    none = Prediction(PREDICTION.scores, PREDICTION.classes, np.full(4, np.inf, np.float32))
    assert len(none.to_supervision()) == 0
    assert none.to_supervision().class_id.dtype == np.int64


def test_without_supervision_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtraError, match=r": pip install supervision$") as caught:
        PREDICTION.to_supervision()
    assert "\n" not in str(caught.value)

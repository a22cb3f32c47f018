from __future__ import annotations

import pytest

from cdul_edge_calibration.data.representative import same_labels, share_beyond


def test_labels_that_differ_between_two_pictures_are_enough() -> None:
    assert same_labels({"cat": 1, "dog": 0}, 130) is None
    assert same_labels({"cat": 129, "dog": 130}, 130) is None


def test_the_same_labels_everywhere_are_named() -> None:
    assert same_labels({"cat": 0, "dog": 0}, 130) == (
        "no score reaches its threshold in any of 130 different pictures"
    )
    told = same_labels({"cat": 4, "dog": 0, "hen": 4}, 4)
    assert told is not None
    assert told.startswith("each of 4 different pictures gets the labels cat, hen,")


@pytest.mark.parametrize(
    ("reference", "share"),
    [
        ({"a": (0.0, 1.0), "b": (-1.0, 1.0)}, 0.0),
        ({"a": (0.2, 0.3), "b": (0.0, 0.0)}, 0.0),  # inside says nothing
        ({"a": (0.0, 1.1), "b": (-1.0, 1.0)}, 0.0),  # a tenth of the width, as samples differ
        ({"a": (0.0, 2.0), "b": (-1.0, 1.0)}, 0.5),
        ({"a": (0.0, 2.0), "b": (-9.0, 1.0)}, 1.0),
        ({}, 0.0),
    ],
)
def test_a_tensor_counts_where_reference_values_leave_its_range(
    reference: dict[str, tuple[float, float]], share: float
) -> None:
    assert share_beyond(reference, {"a": (0.0, 1.0), "b": (-1.0, 1.0)}) == share


def test_a_tensor_that_was_always_zero_leaves_its_range_at_any_value() -> None:
    assert share_beyond({"a": (0.0, 0.1)}, {"a": (0.0, 0.0)}) == 1.0
    assert share_beyond({"a": (0.0, 0.0)}, {"a": (0.0, 0.0)}) == 0.0

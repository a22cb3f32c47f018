from __future__ import annotations

import numpy as np

from cdul_edge.reporting.stages.top_entries import TopEntries


def test_the_highest_of_each_class_stay_whatever_the_batches_are() -> None:
    values = np.array([[1, 9], [3, 8], [2, -np.inf], [3, 7], [5, 6]], np.float64)
    paths = list("abcde")
    found = []
    for size in (1, 2, 5):
        top = TopEntries(2, 2, details=1)
        for start in range(0, 5, size):
            part = values[start : start + size]
            top.add(paths[start : start + size], part, 10 * part)
        found.append(
            [(one.path, one.column, one.value, one.details) for one in top.best(3)]
            + [(one.path, one.column, one.value, one.details) for one in top.of_class(0)]
        )
    assert found[0] == found[1] == found[2]
    assert [one[:3] for one in found[0][:3]] == [("a", 1, 9.0), ("b", 1, 8.0), ("e", 0, 5.0)]
    # of the equal b and d, the earlier one
    assert [one[0] for one in found[0][3:]] == ["e", "b"]
    assert found[0][0][3] == (90.0,)


def test_what_is_minus_infinity_is_never_kept() -> None:
    top = TopEntries(1, 3)
    top.add(["a", "b"], np.array([[-np.inf], [0.5]]))
    assert [one.path for one in top.best(9)] == ["b"]
    assert TopEntries(2, 3).best(9) == []

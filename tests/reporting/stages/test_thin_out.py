from __future__ import annotations

from cdul_edge.reporting.stages.thin_out import thin_out


def test_the_first_and_the_last_point_stay() -> None:
    assert thin_out([1, 2, 3], 3) == [1, 2, 3]
    assert thin_out(range(11), 3) == [0, 5, 10]
    assert thin_out(range(401), 200)[-1] == 400
    assert thin_out([], 2) == []

"""One call in a thread of its own."""

from __future__ import annotations

import pytest

from cdul_edge_runtime.host.meanwhile import Meanwhile


def test_a_result_or_an_error_is_given_every_time_it_is_asked_for() -> None:
    three = Meanwhile(lambda: 1 + 2)
    assert [three.result(), three.result()] == [3, 3]
    failed = Meanwhile(lambda: 1 // 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            failed.result()


def test_it_starts_when_it_is_begun_and_only_then() -> None:
    calls: list[int] = []
    work = Meanwhile(lambda: calls.append(1))
    assert calls == []
    work.begin()
    work.begin()
    work.result()
    assert calls == [1]

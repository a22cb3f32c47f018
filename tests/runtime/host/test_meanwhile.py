"""One call in a thread of its own."""

from __future__ import annotations

import signal
import threading
import time
from threading import Event, Thread

import pytest

from cdul_edge_runtime.host.meanwhile import Meanwhile


def test_a_result_or_an_error_is_given_every_time_it_is_asked_for() -> None:
    three = Meanwhile(lambda: 1 + 2)
    assert [three.result(), three.result()] == [3, 3]
    failed = Meanwhile(lambda: 1 // 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            failed.result()


def test_a_signal_while_it_is_waited_for_loses_no_result() -> None:
    asked, go_on = Event(), Event()
    asking = threading.main_thread().ident
    assert asking is not None

    def work() -> int:
        assert asked.wait(60)
        time.sleep(0.05)  # until it is waited for
        signal.pthread_kill(asking, signal.SIGINT)
        assert go_on.wait(60)
        return 3

    meanwhile = Meanwhile(work)
    meanwhile.begin()
    with pytest.raises(KeyboardInterrupt):
        asked.set()
        meanwhile.result()
    go_on.set()
    assert meanwhile.result() == 3


def test_it_starts_when_it_is_begun_and_only_then() -> None:
    calls: list[int] = []
    work = Meanwhile(lambda: calls.append(1))
    assert calls == []
    work.begin()
    work.begin()
    work.result()
    assert calls == [1]


def test_without_a_thread_to_be_had_it_is_done_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)
    calls: list[int] = []
    work = Meanwhile(lambda: calls.append(1))
    work.begin()
    assert calls == [1]
    assert [work.result(), work.result()] == [None, None]
    assert calls == [1]
    with pytest.raises(ZeroDivisionError):
        Meanwhile(lambda: 1 // 0).result()

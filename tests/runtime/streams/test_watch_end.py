"""How a watch ends: stopped, closed, forgotten, interrupted, broken, and with threads that hang."""

from __future__ import annotations

import gc
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue
from threading import Thread, main_thread
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge import Classifier, Prediction, Smoothing, Status, watch
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.reading import backoff
from cdul_edge_runtime.streams.source import Source, StreamLost
from tests.fakes.stream_source import PATIENCE_S, RED, FakeSource, frame
from tests.fakes.watched import brief, take


def test_leaving_the_block_closes_every_source(classifier: Classifier) -> None:
    sources = {"a": FakeSource(), "b": FakeSource()}
    with watch(classifier, sources) as rows:
        sources["a"].send(frame(0.0))
        for _ in rows:
            break
    assert [source.closed for source in sources.values()] == [1, 1]
    assert list(rows) == []
    with pytest.raises(CdulEdgeError, match="this Watch is closed: call watch"), rows:
        pass


def test_an_error_in_the_loop_closes_every_source(classifier: Classifier) -> None:
    source = FakeSource().send(frame(0.0))
    with pytest.raises(ZeroDivisionError), watch(classifier, {"a": source}) as rows:
        for _ in rows:
            raise ZeroDivisionError
    assert source.closed == 1


def test_a_watch_that_is_forgotten_closes_its_sources(classifier: Classifier) -> None:
    source = FakeSource().send(frame(0.0))
    rows = watch(classifier, {"a": source})
    next(rows)
    del rows
    gc.collect()
    assert source.released.wait(PATIENCE_S)


def test_a_watch_that_was_never_begun_opens_nothing(classifier: Classifier) -> None:
    source = FakeSource()
    rows = watch(classifier, {"a": source})
    rows.stop()
    assert [brief(row) for row in rows] == ["a stopped"]
    rows.close()
    assert (source.opened, source.interrupted, source.closed) == (0, 0, 0)


def test_a_signal_ends_a_watch_that_waits(classifier: Classifier) -> None:
    source = FakeSource()
    with watch(classifier, {"a": source}, smoothing=None) as rows:
        source.send(frame(0.0, RED))
        take(rows, 3)
        before = signal.signal(signal.SIGUSR1, lambda *_: rows.stop())
        try:
            ident = main_thread().ident
            assert ident is not None
            Thread(target=signal.pthread_kill, args=(ident, signal.SIGUSR1)).start()
            assert [brief(row) for row in rows] == ["a - red a-1 (stopped)", "a stopped"]
        finally:
            signal.signal(signal.SIGUSR1, before)


def test_closing_in_a_signal_handler_that_interrupts_a_row_leaves_no_label_behind(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, predict = FakeSource(), classifier.predict_inputs

    def interrupted(inputs: npt.NDArray[np.uint8]) -> list[Prediction]:
        signal.raise_signal(signal.SIGUSR1)
        return predict(inputs)

    monkeypatch.setattr(classifier, "predict_inputs", interrupted)
    rows = watch(classifier, {"a": source}, smoothing=None)
    before = signal.signal(signal.SIGUSR1, lambda *_: rows.close())
    try:
        source.send(frame(0.0, RED))
        assert [brief(row) for row in rows][1:] == [
            "a frame 1: red",
            "a + red a-1",
            "a - red a-1 (stopped)",
            "a stopped",
        ]
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert source.closed == 1


def test_no_time_is_too_long_to_wait_for(classifier: Classifier) -> None:
    source, smoothing = FakeSource().send(frame(0.0, RED)), Smoothing(appear_s=0, reset_s=1e12)
    with watch(classifier, {"a": source}, smoothing=smoothing) as rows:
        take(rows, 3)
        rows._wakes.put(None)
        rows._wait()


def test_rows_may_be_taken_by_another_thread_and_stopped_by_this_one(
    classifier: Classifier,
) -> None:
    source, seen = FakeSource(), SimpleQueue[str]()
    with watch(classifier, {"a": source}, smoothing=None) as rows:

        def take_all() -> None:
            for row in rows:
                seen.put(brief(row))

        other = Thread(target=take_all)
        other.start()
        source.send(frame(0.0, RED))
        first = [seen.get(timeout=PATIENCE_S) for _ in range(3)]
        assert first == ["a connected", "a frame 1: red", "a + red a-1"]
        rows.stop()
        other.join(PATIENCE_S)
        assert [seen.get_nowait() for _ in range(2)] == ["a - red a-1 (stopped)", "a stopped"]


def test_closing_from_another_thread_ends_the_loop_of_this_one(classifier: Classifier) -> None:
    source = FakeSource().send(frame(0.0))
    rows = watch(classifier, {"a": source}, smoothing=None)
    take(rows, 2)
    other = Thread(target=rows.close)
    other.start()
    assert [brief(row) for row in rows] in ([], ["a stopped"])
    other.join(PATIENCE_S)
    assert source.closed == 1


def test_a_source_that_hangs_is_left_behind_and_named(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdul_edge_runtime.streams.watch._JOIN_MORE_S", 0.0)
    deaf, whole = FakeSource(deaf=True), FakeSource()
    with watch(classifier, {"deaf": deaf, "whole": whole}, timeout_s=0.01) as rows:
        deaf.send(frame(0.0)).settle()
        whole.settle()
        rows.stop()
        ended = {row.stream: row.reason for row in rows if isinstance(row, Status)}
    assert ended["deaf"] == "its source hangs; its thread is left running"
    assert whole.released.wait(PATIENCE_S)
    assert deaf.closed == 0
    deaf.end()


def test_a_source_that_waits_to_be_tried_again_ends_at_once(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT_S", 600.0)
    source = FakeSource()
    source.openings.append(StreamLost("refused"))
    with watch(classifier, {"a": source}) as rows:
        assert take(rows, 1) == ["a lost"]
        rows.stop()
        assert take(rows, 1) == ["a stopped"]
    assert source.opened == 1


def test_a_classifier_that_is_closed_meanwhile_says_so(classifier: Classifier) -> None:
    source = FakeSource().send(frame(0.0, RED))
    with watch(classifier, {"a": source}, smoothing=None) as rows:
        take(rows, 3)
        classifier.close()
        source.send(frame(1.0, RED))
        assert take(rows, 2) == ["a - red a-1 (stopped)", "a stopped"]
        with pytest.raises(CdulEdgeError, match="the classifier is closed: load it again"):
            next(rows)
    assert source.closed == 1


class _Stubborn(FakeSource):
    def interrupt(self) -> None:
        super().interrupt()
        raise ZeroDivisionError("a bug in interrupt")


def test_a_bug_in_interrupt_surfaces_and_leaves_no_thread(classifier: Classifier) -> None:
    sources = {"a": _Stubborn(), "b": FakeSource()}
    rows = watch(classifier, sources)
    for source in sources.values():
        source.send(frame(0.0))
    take(rows, 1)
    rows.stop()
    with pytest.raises(ZeroDivisionError, match="a bug in interrupt"):
        list(rows)
    assert [source.closed for source in sources.values()] == [1, 1]


SCRIPT = """
import os, sys, threading, warnings
sys.path[:0] = sys.argv[2:]
from cdul_edge import Classifier, watch
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.stream_source import FakeSource, frame

warnings.simplefilter("ignore")  # Python 3.12 warns of forks beside threads
rows = watch(Classifier.load(sys.argv[1], threads=1), {"a": FakeSource(deaf=True)})
rows._streams[0].reader._source.send(frame(0.0))
next(rows), next(rows)
threading.Thread(target=next, args=(rows,), daemon=True).start()
while not rows._is_taking:  # from here on that thread holds the lock
    pass
child = os.fork()
if child == 0:
    try:
        next(rows)
    except CdulEdgeError as error:
        assert "made before the process was forked" in str(error)
        rows.close()
        os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
print("the end")  # with a thread that hangs, and without closing anything
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_program_ends_although_a_source_hangs_and_a_fork_cannot_watch(bundle: Path) -> None:
    folders = [folder for folder in sys.path if Path(folder).is_dir()]
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(bundle), *folders],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "the end\n", "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sources": {}}, "there is nothing to watch: give at least one source"),
        ({"sources": ["a.mp4"]}, "sources of type list: expected a mapping of names to addresses"),
        ({"sources": {"": "a.mp4"}}, "stream name '': expected printable characters"),
        ({"sources": {" a": "a.mp4"}}, "stream name ' a': expected printable characters"),
        ({"sources": {"a\nb": "a.mp4"}}, r"stream name 'a\\nb': expected printable"),
        ({"sources": {"a\udc80": "a.mp4"}}, r"stream name 'a\\udc80': expected printable"),
        ({"sources": {1: "a.mp4"}}, "stream name 1: expected a string"),
        (
            {"sources": {"a": 0}},
            "'a' is of type int, which lacks open, frames, interrupt, close:",
        ),
        ({"sources": {"a": FakeSource}}, "stream 'a' is of type type, which lacks finite"),
        ({"sources": {"a": "ftp://host/x"}}, "ftp:// cannot be read"),
        ({"rate": 0}, "rate 0: expected more than 0 frames a second"),
        ({"rate": math.nan}, "rate nan: expected more than 0 frames a second"),
        ({"rate": "5"}, "rate '5': expected a number of frames a second"),
        ({"timeout_s": None}, "timeout_s None: expected a number of seconds"),
        ({"timeout_s": math.inf}, "timeout_s inf: expected more than 0 seconds"),
        ({"rate": 1e-300}, "rate 1e-300: expected at least 1e-06 frames a second"),
        ({"timeout_s": 1e300}, r"timeout_s 1e\+300: expected at most 1e\+06 seconds"),
        ({"stats_s": 1e300}, r"stats_s 1e\+300: expected at most 1e\+06 seconds"),
        ({"stats_s": -1.0}, "stats_s -1: expected more than 0 seconds"),
        ({"transport": "quic"}, "transport 'quic': expected 'tcp' or 'udp'"),
        ({"smoothing": 0.5}, "smoothing 0.5: expected a Smoothing or None"),
        ({"thresholds": np.zeros(2)}, r"thresholds of shape \(2,\): expected \(3,\), one per"),
        ({"thresholds": ["high"] * 3}, "thresholds are not numbers"),
    ],
)
def test_what_cannot_be_watched_is_one_line_before_anything_is_opened(
    classifier: Classifier, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        watch(classifier, **{"sources": {"a": FakeSource()}, **changes})


def test_one_source_has_one_name(classifier: Classifier) -> None:
    source: Source = FakeSource()
    with pytest.raises(CdulEdgeError, match="streams 'a' and 'b' share one source"):
        watch(classifier, {"a": source, "b": source})

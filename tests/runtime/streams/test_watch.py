"""One classifier and several streams: what is said, in which order, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge import Classifier, Prediction, Smoothing, watch
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams import backoff
from cdul_edge_runtime.streams.rows import Appeared, FramePrediction, Gone, Row, Status
from cdul_edge_runtime.streams.source import StreamEnded, StreamLost
from cdul_edge_runtime.streams.watch import Watch
from tests.fakes.stream_source import DARK, GREEN, RED, FakeSource, frame


@pytest.fixture
def classifier(bundle: Path) -> Iterator[Classifier]:
    with Classifier.load(bundle, device="cpu", threads=1) as loaded:
        yield loaded


@pytest.fixture(autouse=True)
def tried_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT_S", 0.0)


def brief(row: Row) -> str:
    """A row in a few words: "door red-1 appeared"."""
    if isinstance(row, FramePrediction):
        return f"{row.stream} frame {row.frame}: {' '.join(row.labels)}".rstrip(": ")
    if isinstance(row, Appeared):
        return f"{row.stream} + {row.label} {row.id}"
    if isinstance(row, Gone):
        return f"{row.stream} - {row.label} {row.id}" + (f" ({row.reason})" if row.reason else "")
    return f"{row.stream} {row.state}" if isinstance(row, Status) else f"{row.stream} stats"


def take(rows: Watch, count: int) -> list[str]:
    return [brief(next(rows)) for _ in range(count)]


def test_of_a_file_every_frame_is_seen_in_order(classifier: Classifier) -> None:
    source = FakeSource(finite=True)
    source.send(*(frame(n / 25, RED if 2 <= n < 4 else DARK) for n in range(6))).end()
    with watch(classifier, {"file": source}, smoothing=None) as rows:
        assert [brief(row) for row in rows] == [
            "file connected",
            "file frame 1",
            "file frame 2",
            "file frame 3: red",
            "file + red file-1",
            "file frame 4: red",
            "file frame 5",
            "file - red file-1",
            "file frame 6",
            "file ended",
        ]
    assert (source.opened, source.closed) == (1, 1)


def test_of_a_camera_the_newest_frame_is_seen_and_the_others_are_dropped(
    classifier: Classifier,
) -> None:
    source = FakeSource()
    with watch(classifier, {"door": source}) as rows:
        source.send(*(frame(n / 25) for n in range(9))).settle()
        assert take(rows, 2) == ["door connected", "door frame 9"]
        source.send(frame(9 / 25)).settle()
        assert take(rows, 1) == ["door frame 10"]
        assert rows._streams[0].reader.dropped == 8


def test_what_is_there_when_a_stream_is_lost_goes_then_and_a_return_begins_anew(
    classifier: Classifier,
) -> None:
    source = FakeSource()
    with watch(classifier, {"door": source}, smoothing=Smoothing(appear_s=0)) as rows:
        source.send(frame(1.0, RED)).settle()
        assert take(rows, 3) == ["door connected", "door frame 1: red", "door + red door-1"]
        source.send(StreamLost("it went away"), frame(2.0, DARK))
        lost = next(rows)
        assert isinstance(lost, Status)
        assert (lost.state, lost.reason, lost.retry_s) == ("lost", "it went away", 0.0)
        gone = next(rows)
        assert isinstance(gone, Gone)
        assert (gone.label, gone.until_s, gone.reason) == ("red", 1.0, "lost")
        assert take(rows, 2) == ["door connected", "door frame 2"]


def test_a_source_that_fails_does_not_stop_the_others(classifier: Classifier) -> None:
    broken, whole = FakeSource(), FakeSource(finite=True)
    broken.openings.append(CdulEdgeError("wrong password"))
    whole.send(frame(0.0)).end()
    with watch(classifier, {"broken": broken, "whole": whole}) as rows:
        seen = [brief(row) for row in rows]
    assert [row for row in seen if row.startswith("broken")] == ["broken failed"]
    assert [row for row in seen if row.startswith("whole")] == [
        "whole connected",
        "whole frame 1",
        "whole ended",
    ]
    assert broken.opened == 1


def test_without_reconnection_the_first_loss_is_a_failure(classifier: Classifier) -> None:
    source = FakeSource()
    source.openings.append(StreamLost("connection refused"))
    with watch(classifier, {"door": source}, reconnect=False) as rows:
        assert [brief(row) for row in rows] == ["door failed"]


def test_a_live_stream_that_is_over_ends(classifier: Classifier) -> None:
    source = FakeSource().send(frame(0.0, GREEN), StreamEnded())
    with watch(classifier, {"pipe": source}, smoothing=None) as rows:
        assert [brief(row) for row in rows] == [
            "pipe connected",
            "pipe frame 1: green",
            "pipe + green pipe-1",
            "pipe ended",
            "pipe - green pipe-1 (stopped)",
        ]


def test_stopping_ends_what_is_there_and_then_the_rows(classifier: Classifier) -> None:
    source = FakeSource()
    with watch(classifier, {"door": source}, smoothing=None) as rows:
        source.send(frame(1.0, RED)).settle()
        seen = []
        for row in rows:
            seen.append(brief(row))
            if isinstance(row, Appeared):
                rows.stop()
        assert seen[-2:] == ["door - red door-1 (stopped)", "door stopped"]
        assert list(rows) == []
    assert source.closed == 1


def test_fresh_frames_of_all_streams_go_in_one_call(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    predict = classifier.predict_inputs

    def counted(inputs: npt.NDArray[np.uint8]) -> list[Prediction]:
        sizes.append(len(inputs))
        return predict(inputs)

    monkeypatch.setattr(classifier, "predict_inputs", counted)
    sources = {name: FakeSource() for name in ("a", "b", "c")}
    with watch(classifier, sources, smoothing=None) as rows:
        for source in sources.values():
            source.send(frame(0.0)).settle()
        take(rows, 6)
    assert sizes == [3]


def test_a_bug_in_a_programs_own_source_surfaces_after_what_it_left(
    classifier: Classifier,
) -> None:
    source = FakeSource().send(frame(0.0, RED))
    with watch(classifier, {"own": source}, smoothing=None) as rows:
        assert take(rows, 3) == ["own connected", "own frame 1: red", "own + red own-1"]
        source.send(ZeroDivisionError("a bug"))
        assert take(rows, 2) == ["own - red own-1 (stopped)", "own stopped"]
        with pytest.raises(ZeroDivisionError, match="a bug"):
            next(rows)
        assert list(rows) == []


def test_thresholds_that_are_not_numbers_are_never_reached(classifier: Classifier) -> None:
    source = FakeSource(finite=True).send(frame(0.0, (255, 255, 255))).end()
    thresholds = np.array([np.nan, 0.5, np.inf])
    with watch(classifier, {"file": source}, smoothing=None, thresholds=thresholds) as rows:
        found = [row.labels for row in rows if isinstance(row, FramePrediction)]
    assert found == [("green",)]

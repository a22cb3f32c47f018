"""One classifier and several streams: what is said, in which order, and how it ends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge import Classifier, Frame, Prediction, Smoothing, watch
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.rows import Appeared, FramePrediction, Gone, Status
from cdul_edge_runtime.streams.source import StreamEnded, StreamLost
from tests.fakes.stream_source import DARK, GREEN, RED, FakeSource, frame
from tests.fakes.watched import brief, take


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


@pytest.mark.usefixtures("no_back_off")
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
            "pipe - green pipe-1 (stopped)",
            "pipe ended",
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


def test_a_silent_camera_leaves_no_label_behind(classifier: Classifier) -> None:
    source, smoothing = FakeSource(), Smoothing(appear_s=0, reset_s=0.02)
    with watch(classifier, {"door": source}, smoothing=smoothing) as rows:
        source.send(frame(1.0, RED)).settle()
        assert take(rows, 4)[2:] == ["door + red door-1", "door - red door-1 (lost)"]
        source.send(frame(1.01, RED))
        assert take(rows, 2) == ["door frame 2: red", "door + red door-2"]


def test_one_frame_in_ten_seconds_is_no_gap_where_that_is_the_rate(
    classifier: Classifier,
) -> None:
    frames = [frame(t, RED, pts_s=t) for t in (0.0, 5.0, 10.0, 20.0)]
    source = FakeSource(finite=True).send(*frames).end()
    with watch(classifier, {"file": source}, rate=0.1, smoothing=Smoothing(appear_s=0)) as rows:
        assert [brief(row) for row in rows] == [
            "file connected",
            "file frame 1: red",
            "file + red file-1",
            "file frame 3: red",
            "file frame 4: red",
            "file - red file-1 (stopped)",
            "file ended",
        ]


def test_a_clock_that_goes_back_begins_anew(classifier: Classifier) -> None:
    source = FakeSource(finite=True).send(frame(100.0, RED), frame(3.0, RED)).end()
    with watch(classifier, {"file": source}, smoothing=Smoothing(appear_s=0)) as rows:
        assert [brief(row) for row in rows] == [
            "file connected",
            "file frame 1: red",
            "file + red file-1",
            "file frame 2: red",
            "file - red file-1 (lost)",
            "file + red file-2",
            "file - red file-2 (stopped)",
            "file ended",
        ]


def test_a_stream_whose_pictures_are_none_fails_and_the_others_go_on(
    classifier: Classifier,
) -> None:
    gray, whole = FakeSource(), FakeSource(finite=True)
    flat = Frame(np.zeros((8, 8), np.uint8), 0.0)
    with watch(classifier, {"gray": gray, "whole": whole}, smoothing=None) as rows:
        gray.send(flat).settle()
        whole.send(frame(0.0), frame(1.0)).end()
        seen = list(rows)
    assert [brief(row) for row in seen if row.stream == "gray"] == ["gray connected", "gray failed"]
    assert [brief(row) for row in seen if row.stream == "whole"][-2:] == [
        "whole frame 2",
        "whole ended",
    ]
    reasons = [row.reason for row in seen if isinstance(row, Status) and row.reason]
    assert reasons == [
        "an array uint8(8, 8): expected uint8 (height, width, 3) with values 0 to 255"
    ]


def test_red_is_red_in_either_order_of_channels(classifier: Classifier) -> None:
    source = FakeSource(finite=True)
    source.send(frame(0.0, RED), frame(1.0, RED[::-1], order="bgr")).end()
    with watch(classifier, {"file": source}, smoothing=None) as rows:
        found = [row.labels for row in rows if isinstance(row, FramePrediction)]
    assert found == [("red",), ("red",)]


def test_the_age_of_a_frame_is_that_of_the_cameras_clock(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdul_edge_runtime.streams.stream.time.time", lambda: 1000.25)
    live, file = FakeSource(), FakeSource(finite=True)
    file.send(frame(3.0, clock="camera")).end()  # a bag of long ago
    with watch(classifier, {"live": live, "file": file}) as rows:
        live.send(frame(1000.0, clock="camera")).settle()
        seen = [next(rows) for _ in range(4)]
    ages = {row.stream: row.age_ms for row in seen if isinstance(row, FramePrediction)}
    assert ages["live"] == pytest.approx(250)
    assert 0 <= ages["file"] < 20_000


def test_streams_that_do_not_fit_into_a_batch_take_turns(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "fit_batch", lambda size: min(size, 2))
    sources = {name: FakeSource() for name in "abcde"}
    order: list[str] = []
    with watch(classifier, sources, smoothing=None) as rows:
        for n in range(10):
            for source in sources.values():
                source.send(frame(n / 25)).settle()
            while len(order) < 2 * (n + 1):
                row = next(rows)
                order += [row.stream] if isinstance(row, FramePrediction) else []
    assert "".join(order) == "abcde" * 4


def test_sixteen_files_at_once_are_each_seen_whole(classifier: Classifier) -> None:
    sources = {f"file {n}": FakeSource(finite=True) for n in range(16)}
    for source in sources.values():
        source.send(*(frame(n / 25) for n in range(20))).end()
    with watch(classifier, sources, smoothing=None) as rows:
        found = [(row.stream, row.frame) for row in rows if isinstance(row, FramePrediction)]
    for name in sources:
        assert [number for stream, number in found if stream == name] == list(range(1, 21))


def test_a_row_prints_without_its_pixels(classifier: Classifier) -> None:
    source = FakeSource(finite=True).send(frame(0.0, RED)).end()
    rows = list(watch(classifier, {"file": source}, smoothing=None))
    assert len(rows) == 5
    for row in rows:
        assert "picture" not in repr(row)
    assert "array" not in repr(frame(0.0))

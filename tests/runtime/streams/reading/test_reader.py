"""What a reader says, in which order, while nobody asks and when they do."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

import pytest

from cdul_edge import Classifier, Smoothing, Status, watch
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.reading import backoff
from cdul_edge_runtime.streams.rows import Stats
from cdul_edge_runtime.streams.source import StreamLost
from tests.fakes.stream_source import RED, FakeSource, frame, pixels
from tests.fakes.watched import brief, take


@pytest.mark.usefixtures("no_back_off")
def test_nothing_piles_up_while_nobody_asks(classifier: Classifier) -> None:
    source = FakeSource()
    with watch(classifier, {"door": source}, smoothing=None) as rows:
        for n in range(600):  # 1,200 states
            source.send(frame(n), StreamLost("gone"))
        source.send(frame(600)).settle()
        assert rows._wakes.qsize() == 1
        seen = [brief(row) for row in rows._streams[0].poll()[0]]
        assert len(seen) == 1000
        assert seen[-2:] == ["door lost", "door connected"]


@pytest.mark.usefixtures("no_back_off")
def test_what_happened_while_nobody_asked_is_said_in_order(classifier: Classifier) -> None:
    source = FakeSource()
    with watch(classifier, {"door": source}, smoothing=None) as rows:
        source.send(frame(1.0), StreamLost("gone"), frame(2.0)).settle()
        assert take(rows, 4) == ["door connected", "door lost", "door connected", "door frame 2"]


def test_the_last_frame_before_a_loss_is_seen_before_it(classifier: Classifier) -> None:
    source = FakeSource()
    source.openings.extend([None, CdulEdgeError("wrong password")])
    with watch(classifier, {"door": source}, smoothing=None) as rows:
        source.send(frame(1.0, RED), StreamLost("gone"))
        assert [brief(row) for row in rows if not isinstance(row, Status)] == [
            "door frame 1: red",
            "door + red door-1",
            "door - red door-1 (lost)",
        ]


def test_waits_grow_from_try_to_try_and_only_lost_frames_count_as_losses(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(backoff, "JITTER", 0.0)
    source = FakeSource()
    source.openings.extend([None, StreamLost("refused"), StreamLost("refused")])
    source.send(frame(1.0), StreamLost("gone"), frame(2.0))
    with watch(classifier, {"door": source}, smoothing=None) as rows:
        statuses = [row for row in (next(rows) for _ in range(7)) if isinstance(row, Status)]
        assert [(row.state, row.reason, row.retry_s) for row in statuses] == [
            ("connected", None, None),
            ("lost", "gone", 0.02),
            ("lost", "refused", 0.04),
            ("lost", "refused", 0.08),
            ("connected", None, None),
        ]
        assert rows._streams[0].reader.losses == 1
    assert (source.opened, source.closed) == (4, 4)


def test_a_camera_that_opens_and_sends_nothing_was_never_connected(classifier: Classifier) -> None:
    source = FakeSource().send(StreamLost("it sends nothing"))
    with watch(classifier, {"door": source}, reconnect=False) as rows:
        assert [brief(row) for row in rows] == ["door failed"]


def test_a_file_without_a_frame_fails(classifier: Classifier) -> None:
    with watch(classifier, {"file": FakeSource(finite=True).end()}) as rows:
        (row,) = rows
    assert isinstance(row, Status)
    assert (row.state, row.reason) == ("failed", "it ended before its first frame")


def test_a_file_that_breaks_off_keeps_what_it_showed(classifier: Classifier) -> None:
    source = FakeSource(finite=True)
    source.send(frame(0.0, RED), frame(1.0, RED), CdulEdgeError("it is damaged from here on"))
    with watch(classifier, {"file": source}, smoothing=Smoothing(appear_s=0)) as rows:
        assert [brief(row) for row in rows] == [
            "file connected",
            "file frame 1: red",
            "file + red file-1",
            "file frame 2: red",
            "file - red file-1 (lost)",
            "file failed",
        ]


def test_a_rate_takes_frames_of_a_file_by_their_time(classifier: Classifier) -> None:
    source = FakeSource(finite=True)
    source.send(*(frame(9.0, pts_s=n / 25) for n in range(11))).end()
    with watch(classifier, {"file": source}, rate=5, smoothing=None) as rows:
        assert [brief(row) for row in rows] == [
            "file connected",
            "file frame 1",
            "file frame 6",
            "file frame 11",
            "file ended",
        ]


def test_of_a_camera_a_frame_that_waits_gives_way_to_a_newer_one_at_any_rate(
    classifier: Classifier,
) -> None:
    source = FakeSource()
    with watch(classifier, {"door": source}, rate=0.001, smoothing=None) as rows:
        source.send(frame(0.0), frame(0.1), frame(0.2)).settle()
        assert take(rows, 2) == ["door connected", "door frame 3"]
        source.send(frame(0.3)).settle()  # the next one is due in a thousand seconds
        rows.stop()
        assert take(rows, 1) == ["door stopped"]


def test_a_source_that_gives_no_frames_is_named(classifier: Classifier) -> None:
    bare: Any = pixels()
    source = FakeSource().send(bare)
    with watch(classifier, {"own": source}) as rows:
        assert take(rows, 1) == ["own stopped"]
        with pytest.raises(TypeError, match="stream 'own': its source yielded a ndarray;"):
            next(rows)


def test_a_watch_that_waits_sets_no_alarm(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarms: list[float | None] = []
    source = FakeSource()

    class Queue(SimpleQueue[None]):
        """Where the watch would wait, and nothing has come, the next thing happens."""

        def get(self, block: bool = True, timeout: float | None = None) -> None:
            alarms.append(timeout)
            if self.empty():
                happenings.pop(0)()
            return super().get(block, timeout)

    monkeypatch.setattr("cdul_edge_runtime.streams.watch.SimpleQueue", Queue)
    with watch(classifier, {"door": source}) as rows:
        happenings = [lambda: source.send(frame(1.0)).settle(), rows.stop]
        source.settle()
        assert take(rows, 3) == ["door connected", "door frame 1", "door stopped"]
    assert alarms == [None, None]
    assert happenings == []


def test_a_camera_that_is_stopped_was_not_lost(classifier: Classifier) -> None:
    source = FakeSource()
    with watch(classifier, {"door": source}, smoothing=None, stats_s=3600) as rows:
        source.send(frame(1.0))
        assert take(rows, 2) == ["door connected", "door frame 1"]
        rows.stop()
        assert [row.losses for row in rows if isinstance(row, Stats)] == [0]

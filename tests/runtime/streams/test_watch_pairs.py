"""Whatever happens, and whenever it is stopped: each label that appears goes once, with its id."""

from __future__ import annotations

from random import Random

import pytest

from cdul_edge import Appeared, Classifier, FramePrediction, Gone, Smoothing, Status, watch
from cdul_edge_runtime.streams.source import StreamEnded, StreamLost
from tests.fakes.stream_source import DARK, GREEN, RED, FakeSource, frame

FRAMES = 150


def eventful(chance: Random, *, finite: bool) -> FakeSource:
    """Frames, of a live source with losses between them, and an end."""
    source = FakeSource(finite=finite)
    for n in range(FRAMES):
        source.send(frame(n / 25, chance.choice((RED, GREEN, DARK))))
        if not finite and chance.random() < 0.05:
            source.send(StreamLost("away"))
            source.openings.append(chance.choice((None, StreamLost("refused"))))
    return source.end() if finite else source.send(StreamEnded())


@pytest.mark.usefixtures("no_back_off")
@pytest.mark.parametrize("smoothing", [None, Smoothing(), Smoothing(0, 0, 0, 0, 0)])
@pytest.mark.parametrize("stop_after", [None, 1, 40, 333])
def test_each_label_that_appears_goes_once(
    classifier: Classifier, smoothing: Smoothing | None, stop_after: int | None
) -> None:
    chance = Random(stop_after)
    sources = {f"file {n}": eventful(chance, finite=True) for n in range(2)}
    sources |= {f"live {n}": eventful(chance, finite=False) for n in range(3)}
    there: dict[str, tuple[str, str]] = {}
    ids: set[str] = set()
    over: set[str] = set()
    numbers: dict[str, list[int]] = {name: [] for name in sources}
    with watch(classifier, sources, smoothing=smoothing) as rows:
        for count, row in enumerate(rows, 1):
            if count == stop_after:
                rows.stop()
            assert row.stream not in over
            if isinstance(row, Appeared):
                assert row.id not in ids
                assert (row.stream, row.label) not in there.values()
                ids.add(row.id)
                there[row.id] = (row.stream, row.label)
            elif isinstance(row, Gone):
                assert there.pop(row.id) == (row.stream, row.label)
            elif isinstance(row, FramePrediction):
                numbers[row.stream].append(row.frame)
            elif isinstance(row, Status) and row.state in ("ended", "failed", "stopped"):
                over.add(row.stream)
    assert there == {}
    assert over == set(sources)
    for name, source in sources.items():
        assert numbers[name] == sorted(set(numbers[name]))
        assert source.opened == source.closed
        if stop_after is None:
            assert numbers[name][-1] == FRAMES
            assert len(numbers[name]) == FRAMES or not source.finite

"""All trackers of a run: what the loop tells, and what it hears of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from cdul_edge.training.request import TrackerName
from cdul_edge.training.summary import EpochLine, RunSummary
from cdul_edge.training.tracking.lane import Lane, close_lanes
from cdul_edge.training.tracking.metric_names import name_epoch, name_summary
from cdul_edge.training.tracking.tracker import RunFacts, Status
from cdul_edge_runtime.host.console import Console


class Tracking:
    """The lanes of a run; without any, it does nothing."""

    def __init__(self, lanes: Sequence[Lane], console: Console) -> None:
        self._lanes, self._console = lanes, console
        self._summary: dict[str, float] = {}

    def log(self, line: EpochLine) -> None:
        """Tell every tracker of an epoch."""
        for lane in self._lanes:
            lane.log(line.epoch, name_epoch(line))
        self._listen()

    def summarize(self, summary: RunSummary) -> None:
        """Note what the run found, which trackers are told when it ends."""
        self._summary = name_summary(summary)

    def close(self, status: Status) -> None:
        """End every tracker's run."""
        close_lanes(self._lanes, status, self._summary)
        self._listen()

    def _listen(self) -> None:
        """Say what trackers have to say from the thread that the console belongs to."""
        for lane in self._lanes:
            for line in _drain(lane.news):
                self._console.say(line)
            for line in _drain(lane.complaints):
                self._console.warn(line)


@contextmanager
def open_tracking(
    names: Sequence[TrackerName], facts: RunFacts, earlier: Sequence[EpochLine], console: Console
) -> Iterator[Tracking]:
    """Start trackers; their runs end with the block, as it ends.

    Args:
        names: which; on all ranks but the first, none.
        facts: of the run.
        earlier: the epochs of a run that is resumed.
        console: where one warning goes for each tracker that fails.
    """
    told = [(line.epoch, name_epoch(line)) for line in earlier]
    tracking = Tracking([Lane(name, facts, told) for name in names], console)
    try:
        yield tracking
    except BaseException as error:
        tracking.close("failed" if isinstance(error, Exception) else "interrupted")
        raise
    tracking.close("finished")


def _drain(lines: SimpleQueue[str]) -> Iterator[str]:
    while True:
        try:
            yield lines.get_nowait()
        except Empty:
            return

"""A tracker in a thread of its own: whatever it waits for, the training does not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import cast

from cdul_edge.training.request import TrackerName
from cdul_edge.training.tracking.tracker import Kept, RunFacts, Status, Tracker
from cdul_edge_runtime.errors import MissingExtraError

# Trackers' classes are found by name, so that only those that are asked for are imported.
_CLASSES = {
    "tensorboard": "TensorBoardTracker",
    "mlflow": "MlflowTracker",
    "wandb": "WandbTracker",
    "trackio": "TrackioTracker",
}
# Seconds that a run waits at its end for trackers that still have work, all of them together.
_PATIENCE_S = {"finished": 30.0, "failed": 30.0, "interrupted": 15.0}

Numbers = Mapping[str, float]
_Call = tuple[int, Numbers] | Status


def require_trackers(names: Sequence[TrackerName]) -> None:
    """Raise `MissingExtraError` where a tracker's package is not installed."""
    for name in names:
        spec = find_spec(name)
        if spec is None or spec.origin is None:  # a folder of that name is no package
            raise MissingExtraError(
                f"--log {name} needs {name}, which is not installed: "
                f'pip install "cdul-edge[{name}]"'
            )


def make_tracker(name: TrackerName) -> Tracker:
    """The tracker of that name; its library is imported when it starts."""
    module = import_module(f"cdul_edge.training.tracking.{name}_tracker")
    return cast(Tracker, getattr(module, _CLASSES[name])())


def close_lanes(lanes: Sequence[Lane], status: Status, summary: Numbers) -> None:
    """End all trackers' runs, and wait for them, but not for long."""
    patience_s = _PATIENCE_S[status]
    deadline_s = monotonic() + patience_s
    for lane in lanes:
        lane.end(status, summary)
    for lane in lanes:
        if not lane.wait(deadline_s):
            lane.complaints.put(
                f"--log {lane.name} was not done {patience_s:g} s after the run ended, and was "
                "left behind: its last lines may be missing"
            )


class Lane:
    """One tracker, what it still has to do, and what went wrong.

    Args:
        name: of the tracker.
        facts: of the run.
        earlier: epochs that were finished before; those that it was not told yet come first.
    """

    def __init__(
        self, name: TrackerName, facts: RunFacts, earlier: Sequence[tuple[int, Numbers]]
    ) -> None:
        self.name = name
        self.news: SimpleQueue[str] = SimpleQueue()
        self.complaints: SimpleQueue[str] = SimpleQueue()
        self._facts, self._earlier = facts, earlier
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        self._summary: Numbers = {}
        self._thread = Thread(target=self._run, name=f"cdul-edge-{name}", daemon=True)
        self._thread.start()

    def log(self, epoch: int, metrics: Numbers) -> None:
        """Have the thread log an epoch; returns at once."""
        self._calls.put((epoch, metrics))

    def end(self, status: Status, summary: Numbers) -> None:
        """Have the thread end the run; returns at once."""
        self._summary = summary
        self._calls.put(status)

    def wait(self, deadline_s: float) -> bool:
        """Wait for the thread until `monotonic()` says so; returns whether it is done."""
        self._thread.join(max(deadline_s - monotonic(), 0.0))
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._follow(make_tracker(self.name))
        except BaseException as error:  # noqa: BLE001 - a training never ends because of a tracker
            self.complaints.put(
                f"--log {self.name} failed, and the training goes on without it: {_reason(error)}"
            )

    def _follow(self, tracker: Tracker) -> None:
        folder = self._facts.folder
        kept = tracker.start(self._facts, Kept.read(folder, self.name))
        self.news.put(f"--log {self.name}: {_hide_secrets(tracker.place)}")
        kept.write(folder, self.name)
        for epoch, metrics in self._earlier:
            if epoch > kept.epoch:
                kept = self._tell(tracker, kept, epoch, metrics)
        while True:
            call = self._calls.get()
            if isinstance(call, str):
                tracker.end(call, kept.epoch, self._summary)
                return
            kept = self._tell(tracker, kept, *call)

    def _tell(self, tracker: Tracker, kept: Kept, epoch: int, metrics: Numbers) -> Kept:
        tracker.log(epoch, metrics)
        kept = replace(kept, epoch=epoch)
        kept.write(self._facts.folder, self.name)
        return kept


def _reason(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return _hide_secrets(lines[0] if lines else type(error).__name__)


def _hide_secrets(text: str) -> str:
    """Addresses without the user and password, and without the query, that may stand in them."""
    return re.sub(r"\?\S*", "", re.sub(r"//[^/@\s]+@", "//", text)) if "://" in text else text

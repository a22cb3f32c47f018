"""Trackio: a database in the run folder, or where TRACKIO_DIR, _SPACE_ID, or _SERVER_URL lead."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from cdul_edge.training.tracking.places import TRACKIO
from cdul_edge.training.tracking.tracker import PROJECT, Kept, RunFacts, Status

if TYPE_CHECKING:
    from trackio import Run

_PLACE = "TRACKIO_DIR"
_SPEAKING = ("trackio", "trackio.run", "trackio.utils", "trackio.deploy")


class TrackioTracker:
    """Through `trackio.init` and the run that it gives."""

    place = ""
    _run: Run

    def start(self, facts: RunFacts, kept: Kept | None) -> Kept:
        """Open a run of the project "cdul-edge"; its name is unique, for it is known by that."""
        with _folder_at_import(facts.folder / TRACKIO):
            import trackio
            from trackio.utils import TRACKIO_DIR
        _keep_stdout_free()
        going_on = kept or Kept(f"{facts.name}-{secrets.token_hex(3)}")
        self._run = trackio.init(
            PROJECT,
            name=going_on.id,
            config={**facts.settings, **facts.tags},
            resume="allow",
            embed=False,
        )
        leads = (os.environ.get(name) for name in ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"))
        self.place = next(filter(None, leads), str(TRACKIO_DIR))
        return going_on

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log metrics, the epoch as their step."""
        self._run.log(dict(metrics), step=epoch)

    def end(self, status: Status, epoch: int, summary: Mapping[str, float]) -> None:
        """Log the summary with the last epoch, and finish the run."""
        if summary:
            self._run.log(dict(summary), step=epoch)
        self._run.finish()


@contextmanager
def _folder_at_import(folder: Path) -> Iterator[None]:
    """Trackio reads its folder from the environment, once in a process: when it is imported."""
    if _PLACE in os.environ or "trackio" in sys.modules:
        yield
        return
    os.environ[_PLACE] = str(folder)
    try:
        yield
    finally:
        del os.environ[_PLACE]


def _keep_stdout_free() -> None:
    """Trackio prints what it does; our stdout is for results."""
    for name in _SPEAKING:
        vars(import_module(name))["print"] = partial(print, file=sys.stderr)

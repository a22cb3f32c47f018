"""Cells of a study in this process: a worker would spend seconds on importing PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any

RunInWorkers = Callable[..., Generator[tuple[Any, Any]]]


def run_cells_here(titles: list[str]) -> RunInWorkers:
    """What takes the place of `run_in_workers`; the titles of cells are added to `titles`."""

    def run_here(
        function: Callable[[Any], Any], jobs: Iterable[Any], *, workers: int
    ) -> Generator[tuple[Any, Any]]:
        for job in jobs:
            titles.append(job.cell.title)
            yield job, function(job)

    return run_here

"""Work done in threads, a little ahead of where it is taken."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def work_ahead(
    tasks: Iterable[Callable[[], Result]],
    *,
    workers: int,
    ahead: int,
    start: Callable[[], object] | None = None,
) -> Iterator[Result]:
    """Results of the tasks in their order, at most `ahead` of them before they are taken.

    For work outside the interpreter's lock, such as Pillow's. What a task raises is raised where
    its result would be; what has not begun by then is dropped.
    """
    running: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, initializer=start) as pool:
        try:
            for task in tasks:
                running.append(pool.submit(task))
                if len(running) >= ahead:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()

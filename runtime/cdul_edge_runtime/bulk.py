"""Many picture files: decoded in threads while the network works, in order, faults kept apart."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import ImageError
from cdul_edge_runtime.prediction import Prediction

Prepared = npt.NDArray[np.uint8] | ImageError
_Batch = tuple[list[str], list[Future[Prepared]]]

_DECODERS = 2  # Pillow decodes and resizes outside Python's lock; more would starve the network


def predict_files(
    classifier: Classifier, paths: Iterable[str | None], *, batch_size: int | None = None
) -> Iterator[tuple[str, Prediction | ImageError]]:
    """Classify files, a batch at a time; memory stays at three batches however many come.

    Args:
        classifier: what scores them.
        paths: the files. None between them means that the next one may take a while to come:
            whatever came before it is answered first, in a smaller batch where need be.
        batch_size: pictures at once; None is 16. Where the backend takes fewer, so many.

    Yields:
        (path, prediction) in the order of `paths`, or (path, error) for a file that cannot be read.
    """
    batch_size = classifier.fit_batch(batch_size)
    waiting: deque[_Batch] = deque()
    with ThreadPoolExecutor(_DECODERS) as pool:

        def start(chunk: list[str]) -> _Batch:
            return chunk, [pool.submit(_prepare, classifier, path) for path in chunk]

        for chunk, more_may_wait in _chunks(paths, batch_size):
            if chunk:
                waiting.append(start(chunk))
            # one batch is decoded while another is scored
            while len(waiting) > (0 if more_may_wait else 1):
                yield from _predict_batch(classifier, *waiting.popleft())
        while waiting:
            yield from _predict_batch(classifier, *waiting.popleft())


def _chunks(paths: Iterable[str | None], size: int) -> Iterator[tuple[list[str], bool]]:
    """Up to `size` paths, and whether the next one may take a while."""
    chunk: list[str] = []
    for path in paths:
        if path is None:
            yield chunk, True
            chunk = []
            continue
        chunk.append(path)
        if len(chunk) == size:
            yield chunk, False
            chunk = []
    if chunk:
        yield chunk, False


def _prepare(classifier: Classifier, path: str) -> Prepared:
    try:
        return classifier.prepare(Path(path))
    except ImageError as error:
        return error


def _predict_batch(
    classifier: Classifier, paths: list[str], futures: list[Future[Prepared]]
) -> Iterator[tuple[str, Prediction | ImageError]]:
    prepared = [future.result() for future in futures]
    inputs = [item for item in prepared if not isinstance(item, ImageError)]
    predictions = iter(classifier.predict_inputs(np.stack(inputs)) if inputs else ())
    for path, item in zip(paths, prepared, strict=True):
        yield path, item if isinstance(item, ImageError) else next(predictions)

"""Many picture files: decoded in threads while the network works, in order, faults kept apart."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import ImageError
from cdul_edge_runtime.prediction import Prediction

Prepared = npt.NDArray[np.uint8] | ImageError

_DECODERS = 2  # Pillow decodes and resizes outside Python's lock; more would starve the network


def predict_files(
    classifier: Classifier, paths: Iterable[str], *, batch_size: int | None = None
) -> Iterator[tuple[str, Prediction | ImageError]]:
    """Classify files, a batch at a time; memory stays at three batches however many come.

    Args:
        batch_size: None is 16; where the backend takes fewer, so many.

    Yields:
        (path, prediction) in the order of `paths`, or (path, error) for a file that cannot be read.
    """
    batch_size = classifier.fit_batch(batch_size)
    paths = iter(paths)
    waiting: deque[tuple[list[str], list[Future[Prepared]]]] = deque()
    with ThreadPoolExecutor(_DECODERS) as pool:
        while chunk := list(islice(paths, batch_size)):
            waiting.append((chunk, [pool.submit(_prepare, classifier, path) for path in chunk]))
            if len(waiting) > 1:
                yield from _predict_chunk(classifier, *waiting.popleft())
        while waiting:
            yield from _predict_chunk(classifier, *waiting.popleft())


def _prepare(classifier: Classifier, path: str) -> Prepared:
    try:
        return classifier.prepare(Path(path))
    except ImageError as error:
        return error


def _predict_chunk(
    classifier: Classifier, paths: list[str], futures: list[Future[Prepared]]
) -> Iterator[tuple[str, Prediction | ImageError]]:
    prepared = [future.result() for future in futures]
    inputs = [item for item in prepared if not isinstance(item, ImageError)]
    predictions = iter(classifier.predict_inputs(np.stack(inputs)) if inputs else ())
    for path, item in zip(paths, prepared, strict=True):
        yield path, item if isinstance(item, ImageError) else next(predictions)

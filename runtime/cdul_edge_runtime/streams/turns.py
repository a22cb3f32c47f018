"""Whose frame is classified next, and with whose together."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.rows import Row
from cdul_edge_runtime.streams.stream import Fresh, Stream


class Turns:
    """Streams take turns: one frame each, and as many in one call as fit into a batch.

    A frame is taken when its call begins, so that a live stream's is the newest then. The stream
    after the last that had its turn comes first: where there are more streams than a batch holds,
    none waits longer than the others.
    """

    def __init__(self, classifier: Classifier, streams: Sequence[Stream]) -> None:
        self._classifier = classifier
        self._waiting = deque(streams)  # the first is asked first

    def take(self, rows: deque[Row]) -> bool:
        """One call of the network, and what it shows; whether any stream had a frame.

        Raises:
            CdulEdgeError: the classifier is closed, or its device failed.
        """
        room = self._classifier.fit_batch(len(self._waiting))
        fresh: list[Fresh] = []
        for _ in range(len(self._waiting)):
            if len(fresh) == room:
                break
            stream = self._waiting[0]
            self._waiting.rotate(-1)
            said, taken = stream.poll()
            rows.extend(said)
            if taken is not None:
                fresh.append(taken)
        if fresh:
            self._classify(fresh, rows)
        return bool(fresh)

    def _classify(self, fresh: Sequence[Fresh], rows: deque[Row]) -> None:
        inputs: list[npt.NDArray[np.uint8]] = []
        seen: list[Fresh] = []
        for one in fresh:
            try:
                frame = one.taken.frame
                inputs.append(self._classifier.prepare(frame.pixels(), color=frame.color))
            except CdulEdgeError as error:
                rows.extend(one.stream.fail(error))
            else:
                seen.append(one)
        if not seen:
            return
        predictions = self._classifier.predict_inputs(np.stack(inputs))
        for one, prediction in zip(seen, predictions, strict=True):
            rows.extend(one.stream.take_in(one.taken, prediction.scores))

"""Watch for some seconds, and note when each frame's result was there."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.streams.rows import FramePrediction
from cdul_edge_runtime.streams.watch import watch
from tests.fakes.rtsp_camera import read_stamp


@dataclass
class Watched:
    """Results of one stream.

    Attributes:
        at_s: when each was there, since the stream's first.
        glass_ms: from drawing the frame to its result; empty where nobody asked for it.
    """

    at_s: list[float] = field(default_factory=list)
    glass_ms: list[float] = field(default_factory=list)

    def between(self, first_s: float, last_s: float) -> list[float]:
        """`glass_ms` of the results between these seconds."""
        pairs = zip(self.at_s, self.glass_ms, strict=True)
        return [glass for at, glass in pairs if first_s <= at < last_s]

    def p95(self, first_s: float = 0.0, last_s: float = np.inf) -> float:
        """95th percentile of `glass_ms` between these seconds."""
        return float(np.percentile(self.between(first_s, last_s), 95))


@dataclass(frozen=True)
class Turn:
    """What one turn found.

    Attributes:
        cpu_s: of this process, in which only the watch runs.
        wall_s: while it was counted.
    """

    streams: dict[str, Watched]
    cpu_s: float
    wall_s: float


@contextmanager
def classifying(bundle: Path, threads: int | None = 1, cost_s: float = 0.0) -> Iterator[Classifier]:
    """The bundle as `watch` loads it; a picture takes `cost_s` longer, as if others worked, too."""
    with Classifier.load(bundle, device="cpu", threads=threads, spin=False) as classifier:
        if cost_s:
            answer = classifier.predict_inputs

            def slow(inputs: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> object:
                time.sleep(cost_s * len(inputs))
                return answer(inputs)

            setattr(classifier, "predict_inputs", slow)  # noqa: B010 - of this object only
        yield classifier


def watch_for(
    classifier: Classifier,
    sources: Mapping[str, str],
    seconds: float,
    *,
    skip_s: float = 2.0,
    clock: bool = True,
) -> Turn:
    """Watch from `skip_s` after every stream's first result on, for `seconds`."""
    seen = {name: Watched() for name in sources}
    there: set[str] = set()
    start_s, begun_s, cpu_s = math.inf, math.nan, math.nan
    with watch(classifier, sources) as rows:
        deadline = threading.Timer(seconds + skip_s + 30, rows.stop)
        deadline.start()
        for row in rows:
            if not isinstance(row, FramePrediction):
                continue
            now_s, wall_s = time.monotonic(), time.time()
            if row.stream not in there:
                there.add(row.stream)
                start_s = now_s + skip_s if len(there) == len(sources) else math.inf
            if now_s < start_s:
                continue
            if math.isnan(begun_s):
                begun_s, cpu_s = now_s, time.process_time()
            seen[row.stream].at_s.append(now_s - begun_s)
            if clock:
                glass_s = wall_s - read_stamp(row.picture.pixels()).time_s
                seen[row.stream].glass_ms.append(1000 * glass_s)
            if now_s - begun_s >= seconds:
                break
        cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - begun_s
        deadline.cancel()
    assert wall_s >= seconds, "the streams were not there for so long"
    return Turn(seen, cpu_s, wall_s)

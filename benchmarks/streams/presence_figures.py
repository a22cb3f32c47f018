"""How good the labels of a video are: per frame, per presence, and how often they flip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.metrics.metrics import mean_average_precision

Flags = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]
LEAST_S = 1.0  # presences that are shorter are not asked for
NEAR_S = 1.0  # what appears this close to a true presence is no false one


@dataclass(frozen=True)
class PresenceFigures:
    """Figures of some videos of the same length.

    Attributes:
        map, f1: over all frames, in percent; F1 over all classes at once.
        labels: how many there are, as a multiple of the true ones.
        flips: how often a label comes or goes, a minute of one video.
        false: appearances with nothing of their class within a second, a minute.
        found: share of the true presences of a second or more that were seen at all, in percent.
        delay_p50_s, delay_p90_s: until a presence was seen, of those that were.
    """

    map: float
    f1: float
    labels: float
    flips: float
    false: float
    found: float
    delay_p50_s: float
    delay_p90_s: float


def flips_a_minute(labels: Flags, fps: float) -> float:
    """How often labels change, a minute of video; (V, T, C) labels."""
    minutes = labels.shape[0] * labels.shape[1] / fps / 60
    return float((labels[:, 1:] != labels[:, :-1]).sum() / minutes)


def measure(scores: Scores, labels: Flags, truth: Flags, fps: float) -> PresenceFigures:
    """Figures of (V, T, C) scores and labels of V videos of T frames."""
    count = truth.shape[-1]
    delays, asked, false = [], 0, 0
    for video, label in np.ndindex(len(truth), count):
        true, seen = truth[video, :, label], labels[video, :, label]
        for start, end in _runs(true):
            if end - start < LEAST_S * fps:
                continue
            asked += 1
            if seen[start:end].any():
                delays.append(float(seen[start:end].argmax()) / fps)
        near = round(NEAR_S * fps)
        false += sum(
            not true[max(0, start - near) : end + near].any() for start, end in _runs(seen)
        )
    minutes = truth.shape[0] * truth.shape[1] / fps / 60
    flat = truth.reshape(-1, count).astype(np.int8)
    return PresenceFigures(
        map=mean_average_precision(scores.reshape(-1, count), flat),
        f1=float(200 * (labels & truth).sum() / (labels.sum() + truth.sum())),
        labels=float(labels.sum() / truth.sum()),
        flips=flips_a_minute(labels, fps),
        false=false / minutes,
        found=100 * len(delays) / asked,
        delay_p50_s=float(np.median(delays)),
        delay_p90_s=float(np.percentile(delays, 90)),
    )


def _runs(labels: Flags) -> list[tuple[int, int]]:
    """First and one past the last frame of each presence, of (T,) labels."""
    steps = np.diff(np.concatenate([[0], labels.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(steps > 0).tolist(), np.flatnonzero(steps < 0).tolist()
    return list(zip(starts, ends, strict=True))

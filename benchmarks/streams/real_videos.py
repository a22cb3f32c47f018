"""Flips a minute on real videos, raw and smoothed; nobody knows the truth of them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from benchmarks.streams.presence_figures import flips_a_minute
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.streams.labels.smoothing import Smoother, Smoothing

_SUFFIXES = (".mp4", ".gif")


def measure_folder(folder: Path, bundle: Path) -> dict[str, dict[str, float]]:
    """Per video: seconds, frames a second, labels a frame, and flips a minute."""
    with Classifier.load(bundle, precision="fp32", device="cpu", threads=1) as classifier:
        files = sorted(file for file in folder.iterdir() if file.suffix in _SUFFIXES)
        return {file.name: _measure(file, classifier) for file in files}


def _measure(file: Path, classifier: Classifier) -> dict[str, float]:
    smoother = Smoother(classifier.classes, classifier.thresholds, Smoothing())
    times, raw, smoothed = [], [], []
    with av.open(file) as video:
        for frame in video.decode(video=0):
            prediction = classifier.predict(frame.to_ndarray(format="rgb24"))
            times.append(frame.time)
            raw.append(prediction.scores >= prediction.thresholds)
            smoothed.append(smoother.update(prediction.scores, frame.time).present)
    seconds = times[-1] - times[0]
    fps = (len(times) - 1) / seconds
    return {
        "seconds": seconds,
        "fps": fps,
        "labels_raw": float(np.sum(raw) / len(times)),
        "labels_smoothed": float(np.sum(smoothed) / len(times)),
        "flips_raw": flips_a_minute(np.array(raw)[np.newaxis], fps),
        "flips_smoothed": flips_a_minute(np.array(smoothed)[np.newaxis], fps),
    }

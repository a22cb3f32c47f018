"""cdul-edge: unlabeled pictures and class names in, a verified multi-label classifier out.

from cdul_edge import Classifier, calibrate, export, label, train, verify

label(images="photos", classes="classes.txt", clip="RN50", pretrained="openai", out="labels")
train(labels="labels", out="run")
export(run="run", out="bundle")
calibrate(bundle="bundle", images="photos")
print(verify(bundle="bundle", precision="all").verdict)
with Classifier.load("bundle") as classifier:
    print(classifier.predict("photo.jpg").labels)
"""

import os
import sys

if sys.argv[:1] == ["-m"] and any(word.startswith("cdul_edge.") for word in sys.orig_argv):
    # `python -m cdul_edge.cli` looks for modules in the current folder first: a user's json.py
    # there must not be taken for Python's. Nothing but what Python itself loads is loaded yet.
    _here = os.path.realpath(os.curdir)
    if os.path.realpath(sys.path[0]) == _here:
        del sys.path[0]
        if os.path.realpath(f"{__file__}/../..") == _here:
            sys.path.append(_here)  # a checkout, or packages that were unpacked here

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cdul_edge.version import __version__ as __version__

if TYPE_CHECKING:
    from cdul_edge.front.verbs import (
        build,
        calibrate,
        convert,
        export,
        export_config,
        label,
        pull,
        push,
        report,
        review,
        sample,
        train,
        verify,
    )
    from cdul_edge_runtime.bundle.bundle import Bundle
    from cdul_edge_runtime.bundle.score_reference import ScoreReference
    from cdul_edge_runtime.classifier import Classifier
    from cdul_edge_runtime.errors import CdulEdgeError
    from cdul_edge_runtime.metrics.drift import DriftReport, measure_drift
    from cdul_edge_runtime.prediction import Prediction
    from cdul_edge_runtime.streams.frame import Frame
    from cdul_edge_runtime.streams.labels.smoothing import Smoother, Smoothing
    from cdul_edge_runtime.streams.rows import Appeared, FramePrediction, Gone, Row, Stats, Status
    from cdul_edge_runtime.streams.source import Source, SourceInfo, StreamEnded, StreamLost
    from cdul_edge_runtime.streams.sources.push_source import PushSource
    from cdul_edge_runtime.streams.watch import Watch, watch

__all__ = [
    "Appeared",
    "Bundle",
    "CdulEdgeError",
    "Classifier",
    "DriftReport",
    "Frame",
    "FramePrediction",
    "Gone",
    "Prediction",
    "PushSource",
    "Row",
    "ScoreReference",
    "Smoother",
    "Smoothing",
    "Source",
    "SourceInfo",
    "Stats",
    "Status",
    "StreamEnded",
    "StreamLost",
    "Watch",
    "build",
    "calibrate",
    "convert",
    "export",
    "export_config",
    "label",
    "measure_drift",
    "pull",
    "push",
    "report",
    "review",
    "sample",
    "train",
    "verify",
    "watch",
]

_HOMES = {
    "Bundle": "cdul_edge_runtime.bundle.bundle",
    "CdulEdgeError": "cdul_edge_runtime.errors",
    "Classifier": "cdul_edge_runtime.classifier",
    "ScoreReference": "cdul_edge_runtime.bundle.score_reference",
    **dict.fromkeys(("DriftReport", "measure_drift"), "cdul_edge_runtime.metrics.drift"),
    "Prediction": "cdul_edge_runtime.prediction",
    "Frame": "cdul_edge_runtime.streams.frame",
    "PushSource": "cdul_edge_runtime.streams.sources.push_source",
    **dict.fromkeys(("Watch", "watch"), "cdul_edge_runtime.streams.watch"),
    **dict.fromkeys(
        ("Appeared", "FramePrediction", "Gone", "Row", "Stats", "Status"),
        "cdul_edge_runtime.streams.rows",
    ),
    **dict.fromkeys(("Smoother", "Smoothing"), "cdul_edge_runtime.streams.labels.smoothing"),
    **dict.fromkeys(
        ("Source", "SourceInfo", "StreamEnded", "StreamLost"), "cdul_edge_runtime.streams.source"
    ),
    **dict.fromkeys(
        (
            "build",
            "calibrate",
            "convert",
            "export",
            "export_config",
            "label",
            "pull",
            "push",
            "report",
            "review",
            "sample",
            "train",
            "verify",
        ),
        "cdul_edge.front.verbs",
    ),
}


def __getattr__(name: str) -> Any:
    # On first use: `cdul-edge --help` and a training script need neither numpy's nor Pillow's time.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""A camera is killed or freezes: when that is noticed, and when its results are back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measured_rows.figures import Figure, Measured, at_most
from benchmarks.streams.bundles import small_bundle
from benchmarks.streams.cameras import cameras, gst_address
from benchmarks.streams.row import Setting
from benchmarks.streams.watching import classifying
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.streams.rows import FramePrediction, Status
from cdul_edge_runtime.streams.watch import watch
from tests.fakes.rtsp_camera import Camera

TIMEOUT_S = 2.0
KILLED_S, FROZEN_S, BACK_S = 1.0, 2 * TIMEOUT_S + 1, 3.0
_AWAY_S = 3.0  # before a killed camera listens again: several tries find it away


@dataclass(frozen=True)
class Loss:
    """Seconds from the camera's end to its status row, and from its return to a result.

    Attributes:
        beyond_wait_s: from its return to a result, less the last wait between two tries.
    """

    noticed_s: float
    back_s: float
    beyond_wait_s: float


def measure_loss(setting: Setting) -> Measured:
    """Each kind of loss once a round, through PyAV and GStreamer."""
    found: dict[str, list[Loss]] = {}
    with cameras() as camera, classifying(small_bundle(setting)) as classifier:
        sides = {"pyav": camera.url(), "gst": gst_address(camera.url())}
        for _ in range(setting.rounds):
            for side, address in sides.items():
                for end in ("killed", "frozen"):
                    loss = _lose(classifier, address, camera, end)
                    found.setdefault(f"{end}, {side}", []).append(loss)
    figures = []
    for name, losses in found.items():
        limit = KILLED_S if name.startswith("killed") else FROZEN_S
        noticed = tuple(loss.noticed_s for loss in losses)
        beyond = tuple(loss.beyond_wait_s for loss in losses)
        what = f"{name}: noticed after (time-out {TIMEOUT_S:g} s)"
        figures += [
            at_most(limit, name, what, "s", *noticed),
            Figure(
                f"{name}, back",
                f"{name}: result after return",
                "s",
                tuple(loss.back_s for loss in losses),
            ),
            at_most(
                BACK_S, f"{name}, beyond", f"{name}: the same less the last wait", "s", *beyond
            ),
        ]
    return Measured(tuple(figures))


def _lose(classifier: Classifier, address: str, camera: Camera, end: str) -> Loss:
    ended: Callable[[], None] = camera.kill if end == "killed" else camera.freeze
    ended_s = noticed_s = returned_s = wait_s = 0.0
    results = 0
    with watch(classifier, {"cam0": address}, timeout_s=TIMEOUT_S) as rows:
        for row in rows:
            now_s = time.monotonic()
            if isinstance(row, FramePrediction):
                results += 1
                if results == 20:
                    ended_s = time.monotonic()
                    ended()
                elif noticed_s and returned_s:
                    break
            elif isinstance(row, Status) and row.state == "lost":
                wait_s = row.retry_s or 0.0
                if not noticed_s:
                    noticed_s = now_s
                if not returned_s and now_s - noticed_s >= (0 if end == "frozen" else _AWAY_S):
                    camera.restart()
                    returned_s = time.monotonic()
    back_s = now_s - returned_s
    return Loss(noticed_s - ended_s, back_s, max(0.0, back_s - wait_s))

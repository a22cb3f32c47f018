"""A watch of two real cameras on this machine: colors, a loss, a return, and the end."""

from __future__ import annotations

import numpy as np
import pytest

from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import MissingExtraError
from cdul_edge_runtime.streams.labels.settings import Smoothing
from cdul_edge_runtime.streams.rows import Appeared, Gone, Status
from cdul_edge_runtime.streams.sources.open_source import open_source
from cdul_edge_runtime.streams.watch import watch
from tests.fakes.rtsp_camera import Camera, rtsp_camera

# a machine that stands still for a while does not end what is there
PATIENT = Smoothing(reset_s=60)


def plain(*color: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((1, 240, 320, 3), color, np.uint8)


def address(camera: Camera, path: str, library: str) -> str:
    """How that library reads a path; the test skips where it is not installed."""
    url = camera.url(path)
    text = url if library == "pyav" else f"gst:rtspsrc location={url} latency=0 ! decodebin"
    try:
        open_source(text)
    except MissingExtraError as error:
        pytest.skip(str(error))
    return text


@pytest.mark.parametrize("library", ["pyav", "gst"])
def test_labels_of_cameras_go_with_a_loss_and_come_back(
    library: str, classifier: Classifier, no_back_off: None
) -> None:
    shown = {"door": plain(250, 10, 10), "yard": plain(10, 250, 10)}
    with rtsp_camera(shown, clock=False) as camera:
        sources = {path: address(camera, path, library) for path in shown}
        told: list[str] = []
        ids: dict[str, str] = {}
        with watch(classifier, sources, timeout_s=60, smoothing=PATIENT) as rows:
            for row in rows:
                if isinstance(row, Appeared):
                    ids[row.id] = row.label
                    told.append(f"{row.stream} {row.label}")
                    if len(ids) == 2:
                        camera.restart()
                    if len(ids) == 4:
                        rows.stop()
                elif isinstance(row, Gone):
                    assert ids[row.id] == row.label
                    told.append(f"{row.stream} {row.label} gone: {row.reason}")
                elif isinstance(row, Status):
                    assert row.state in ("connected", "lost", "stopped")
    there, lost, stopped = (
        [f"door red{end}", f"yard green{end}"] for end in ("", " gone: lost", " gone: stopped")
    )
    assert sorted(told[:2]) == there
    assert sorted(told[2:6]) == sorted(there + lost)
    assert sorted(told[6:]) == stopped

"""Cameras of these rows: a scene that pans, with the time drawn into each frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.streams.row import FPS, SIZE_PX
from tests.fakes.rtsp_camera import Camera, rtsp_camera


def panning_scene(seed: int, count: int = 50) -> npt.NDArray[np.uint8]:
    """(N, H, W, 3) uint8: clouds of color of several sizes, over which the camera pans."""
    rng = np.random.default_rng(seed)
    width, height = SIZE_PX[0] + count, SIZE_PX[1] + count
    whole = np.zeros((height, width, 3), np.float32)
    for cells, share in ((4, 0.5), (16, 0.3), (64, 0.2)):
        cloud = rng.integers(0, 256, (cells, cells, 3), np.uint8)
        resized = Image.fromarray(cloud).resize((width, height), Image.Resampling.BICUBIC)
        whole += share * np.asarray(resized, np.float32)
    scene = whole.astype(np.uint8)
    back_and_forth = [*range(0, count, 2), *range(count - 1, 0, -2)]
    return np.stack([scene[at : at + SIZE_PX[1], at : at + SIZE_PX[0]] for at in back_and_forth])


@contextmanager
def cameras(count: int = 1) -> Iterator[Camera]:
    """A camera with the paths "cam0", "cam1" and so on."""
    with rtsp_camera({f"cam{n}": panning_scene(n) for n in range(count)}, fps=FPS) as camera:
        yield camera


def gst_address(url: str) -> str:
    """The same camera through GStreamer."""
    return f"gst:rtspsrc location={url} latency=0 protocols=tcp ! decodebin"

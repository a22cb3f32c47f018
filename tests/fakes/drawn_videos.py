"""Video files drawn frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

Rgb = tuple[int, int, int]
RED, BLACK, GREEN = (255, 0, 0), (0, 0, 0), (0, 255, 0)


def write_video(path: Path, colors: Sequence[Rgb], fps: int = 10) -> Path:
    """An H.264 file of frames of one color each; skips the test where PyAV is missing."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for color in colors:
            picture = np.full((64, 64, 3), color, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path

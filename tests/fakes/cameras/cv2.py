"""The part of OpenCV that examples/opencv uses; a camera that sees red, in OpenCV's BGR."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt


class VideoCapture:
    """Camera 0 never ends; "video" has ten pictures; all else is missing."""

    def __init__(self, source: int | str) -> None:
        self._opened = source in (0, "video")
        self._left = 10 if source == "video" else None
        self._released = False

    def isOpened(self) -> bool:
        return self._opened

    def read(self) -> tuple[bool, npt.NDArray[np.uint8] | None]:
        assert not self._released
        time.sleep(0.02)  # as a camera of 50 pictures a second
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                return False, None
        return True, np.full((6, 8, 3), (0, 0, 255), np.uint8)

    def release(self) -> None:
        self._released = True
        print("released")

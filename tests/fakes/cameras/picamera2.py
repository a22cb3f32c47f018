"""The part of picamera2 that examples/picamera2 uses; a camera that sees red, in BGR."""

from __future__ import annotations

import time
from types import TracebackType

import numpy as np
import numpy.typing as npt

Configuration = dict[str, object]
_BUFFERS = 6


class CompletedRequest:
    def __init__(self, camera: Picamera2, number: int) -> None:
        self._camera = camera
        self._number = number

    def make_array(self, name: str) -> npt.NDArray[np.uint8]:
        assert name == "main"
        return np.full((480, 640, 3), (0, 0, 255), np.uint8)

    def get_metadata(self) -> dict[str, int]:
        return {"SensorTimestamp": self._number * 40_000_000}

    def release(self) -> None:
        self._camera.lent -= 1


class Picamera2:
    def __init__(self) -> None:
        self.lent = 0
        self._number = 0
        self._configured = self._started = False

    def __enter__(self) -> Picamera2:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        print("closed")

    def create_video_configuration(
        self, main: dict[str, object], *, queue: bool = True
    ) -> Configuration:
        return {"main": main, "queue": queue}

    def configure(self, configuration: Configuration) -> None:
        assert configuration["queue"] is False, "an old picture may come"
        assert configuration["main"] == {"size": (640, 480), "format": "RGB888"}
        self._configured = True

    def start(self) -> None:
        assert self._configured
        self._started = True

    def capture_request(self) -> CompletedRequest:
        assert self._started
        assert self.lent < _BUFFERS, "the camera has no buffer left"
        time.sleep(0.005)
        self.lent += 1
        self._number += 1
        return CompletedRequest(self, self._number)

    def stop(self) -> None:
        assert self.lent == 0
        self._started = False

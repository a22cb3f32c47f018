"""A Raspberry Pi's camera in a loop of one's own: newest picture, labels that do not flicker.

python watch_camera.py BUNDLE
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cdul_edge import Classifier, Smoother

# "RGB888" is blue, green, red in memory: libcamera names the bytes of a number, the lowest last.
FORMAT = "RGB888"


class Request(Protocol):
    """What is used of picamera2's `CompletedRequest`: one picture, and the camera's notes on it."""

    def make_array(self, name: str) -> npt.NDArray[np.uint8]:
        """A copy of the picture."""
        ...

    def get_metadata(self) -> Mapping[str, int]:
        """With `SensorTimestamp`, in nanoseconds."""
        ...

    def release(self) -> None:
        """Give the buffer back to the camera, which has few."""
        ...


class Camera(Protocol):
    """What is used of a `Picamera2` that was started with `queue=False`."""

    def capture_request(self) -> Request:
        """Wait for a picture that is taken from now on."""
        ...


def run(
    classifier: Classifier, camera: Camera, stop: threading.Event, say: Callable[[str], None]
) -> None:
    """Classify the newest picture again and again, until `stop` is set."""
    smoother = Smoother(classifier.classes, classifier.thresholds)
    while not stop.is_set():
        request = camera.capture_request()
        try:
            picture = request.make_array("main")
            time_s = request.get_metadata()["SensorTimestamp"] / 1e9
        finally:
            request.release()
        seen = smoother.update(classifier.predict(picture, color="bgr").scores, time_s)
        for change in seen.changes:
            say(f"{time_s:.2f} {change}")
    for change in smoother.close():
        say(f"stopped {change}")


def main() -> None:
    """Watch until Ctrl-C or SIGTERM."""
    from picamera2 import Picamera2

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Classifier.load(sys.argv[1], threads=1) as classifier, Picamera2() as camera:
        # without queue=False, capture_request gives the picture of before the last call
        camera.configure(
            camera.create_video_configuration({"size": (640, 480), "format": FORMAT}, queue=False)
        )
        camera.start()
        run(classifier, camera, stop, lambda text: print(text, flush=True))
        camera.stop()


if __name__ == "__main__":
    main()

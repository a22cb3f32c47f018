"""OpenCV reads a camera, and cdul-edge says what appears and goes.

    python watch_camera.py BUNDLE [CAMERA]

OpenCV keeps up to five old pictures, and `CAP_PROP_BUFFERSIZE` is refused by most backends. So a
thread reads them all, and the newest one is classified.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cdul_edge import Appeared, Classifier, Frame, Gone, PushSource, watch


class Capture(Protocol):
    """What is used of a `cv2.VideoCapture`."""

    def read(self) -> tuple[bool, npt.NDArray[np.uint8] | None]:
        """Wait for the next picture, in BGR; False at the end."""
        ...


def read_all(capture: Capture, source: PushSource, stop: threading.Event) -> None:
    """Offer each picture as soon as it is there; the newest one replaces an older one."""
    while not stop.is_set():
        there, picture = capture.read()
        if not there or picture is None:
            break
        source.offer(Frame(picture, time.time(), color="bgr"))
    source.end()


def main() -> None:
    """Watch until Ctrl-C, SIGTERM, or the end of the video."""
    import cv2

    bundle, camera = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "0"
    capture = cv2.VideoCapture(int(camera) if camera.isdigit() else camera)
    if not capture.isOpened():
        sys.exit(f"{camera} cannot be opened: give a camera's number or a video")
    stop, source = threading.Event(), PushSource()
    thread = threading.Thread(target=read_all, args=(capture, source, stop), daemon=True)
    with (
        Classifier.load(bundle, threads=1) as classifier,
        watch(classifier, {"camera": source}) as rows,
    ):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: rows.stop())
        thread.start()
        for row in rows:
            if isinstance(row, Appeared):
                print(f"{row.label} appeared ({row.score:.2f})", flush=True)
            elif isinstance(row, Gone):
                print(f"{row.label} is gone after {row.duration_s:.1f} s", flush=True)
    stop.set()
    thread.join()
    capture.release()


if __name__ == "__main__":
    main()

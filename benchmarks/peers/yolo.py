"""What a camera frame costs beyond the network, beside Ultralytics' classifier.

Its networks are its own, so that the whole of an answer would compare networks: on both sides the
time inside the network is taken off. Its weights are random and are not downloaded. It is licensed
under the AGPL: this benchmark runs it where it is installed, and nothing here depends on it.
"""

from __future__ import annotations

import onnxruntime
import torch

from benchmarks.peers.predict import predicting
from benchmarks.peers.row import Bar, Comparison, Measured, Setting
from benchmarks.peers.subjects import camera_frame, make_subject
from benchmarks.peers.turns import CALLS, Stopwatch, alternate


def measure_ultralytics(setting: Setting) -> Measured:
    """Overhead of both, from the same frame to 224 px."""
    import cv2
    from ultralytics import YOLO
    from ultralytics.nn.tasks import BaseModel

    subject = make_subject("tiny" if setting.quick else "resnet18", setting)
    frame, ours_watch, yolo_watch = camera_frame(), Stopwatch(), Stopwatch()
    yolo = YOLO("yolo11n-cls.yaml", task="classify")

    def ask_yolo() -> None:
        (answer,) = yolo.predict(frame, imgsz=subject.side_px, device="cpu", verbose=False)
        answer.probs.cpu().numpy()

    ask_yolo()  # sets threads its own way
    torch.set_num_threads(setting.threads)
    cv2.setNumThreads(setting.threads)
    with (
        predicting(subject, setting, device="cpu", precision="fp32") as ours,
        ours_watch.around(onnxruntime.InferenceSession, "run"),
        yolo_watch.around(BaseModel, "forward"),
    ):
        sides = {
            "ours": ours_watch.beyond(lambda: ours.predict(frame)),
            "yolo": yolo_watch.beyond(ask_yolo),
        }
        found = alternate(sides, setting, 2 * CALLS)
    work = f"overhead beyond the network, 1280x720 to {subject.side_px} px"
    peer = "Ultralytics, YOLO11n-cls predict"
    bar = Bar("at most", 0.3)
    return Measured((Comparison("frame", work, peer, "ms", found["ours"], found["yolo"], bar),))

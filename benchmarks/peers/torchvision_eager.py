"""`Classifier.predict` on a camera frame, beside PyTorch without an export.

The other side is what torchvision's documentation shows: the transforms of the network's weights,
the network in evaluation mode, and `torch.inference_mode`. It sees 224 px of a resize to 256 px.
"""

from __future__ import annotations

import torch
import torchvision

from benchmarks.peers.predict import take_turns_with
from benchmarks.peers.row import Bar, Comparison, Measured, Setting
from benchmarks.peers.scripts import Frame
from benchmarks.peers.subjects import Subject, camera_frame, make_network, subjects
from benchmarks.peers.turns import Side, in_ms

_CROP = 224 / 256  # what the transforms show of the short side


def measure_torchvision(setting: Setting) -> Measured:
    """The whole of an answer, for each network."""
    torch.set_num_threads(setting.threads)
    parts = [_compare(subject, setting) for subject in subjects(setting)]
    return Measured(tuple(one for part in parts for one in part))


def _compare(subject: Subject, setting: Setting) -> tuple[Comparison, ...]:
    frame = camera_frame()
    found, chosen = take_turns_with(_eager(subject, frame), subject, frame, setting)
    name, peer, eager = subject.name, "torchvision, eager", found["peer"]
    bar = Bar("at most", 0.7)
    return (
        Comparison(
            f"{name}-fp32", f"predict, {name}, FP32", peer, "ms", found["fp32"], eager, bar
        ),
        Comparison(
            f"{name}-auto", f"predict, {name}, auto", f"{peer}, FP32", "ms", found["auto"], eager,
            side=chosen,
        ),
    )  # fmt: skip


def _eager(subject: Subject, frame: Frame) -> Side:
    weights = torchvision.models.get_weight("ResNet18_Weights.IMAGENET1K_V1")
    side_px = subject.side_px
    shown = weights.transforms(crop_size=side_px, resize_size=round(side_px / _CROP))
    network = make_network(subject.name)

    @torch.inference_mode()
    def run() -> None:
        picture = torch.from_numpy(frame).permute(2, 0, 1).flip(0)  # BGR to RGB
        scores = network(shown(picture)[None])[0].sigmoid()
        (scores >= 0.5).numpy()

    return in_ms(run)

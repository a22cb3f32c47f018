"""What all sides run: a camera frame, and networks of random weights as each tool wants them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torchvision
from torch import nn

from benchmarks.networks import CLASSES, add_int8_cpu, export_network
from benchmarks.peers.row import Setting

FRAME_PX = (720, 1280)  # height, width
NETWORKS = ("resnet18", "resnet50")
NOISE = 200  # pictures that INT8 is compared with FP32 on: fewer could not tell


@dataclass(frozen=True)
class Subject:
    """One network, exported twice.

    Attributes:
        bundle: of `cdul-edge export`, with an int8-cpu file.
        plain: what `torch.onnx.export` gives: (N, 3, H, W) float32 to logits.
        side_px: height and width of the network's input.
    """

    name: str
    bundle: Path
    plain: Path
    side_px: int


def camera_frame(seed: int = 1) -> npt.NDArray[np.uint8]:
    """(720, 1280, 3) BGR."""
    return np.random.default_rng(seed).integers(0, 256, (*FRAME_PX, 3), dtype=np.uint8)


def subjects(setting: Setting) -> tuple[Subject, ...]:
    """ResNet-18 and ResNet-50; one tiny network where it is quick."""
    return tuple(make_subject(name, setting) for name in ("tiny",) if setting.quick) or tuple(
        make_subject(name, setting) for name in NETWORKS
    )


def make_subject(name: str, setting: Setting) -> Subject:
    """Export the network, or take what an earlier row exported into the same folder."""
    side_px = 32 if name == "tiny" else 224
    folder = setting.work / f"{name}-{side_px}"
    if not folder.is_dir():
        begun = folder.with_suffix(".begun")
        shutil.rmtree(begun, ignore_errors=True)
        begun.mkdir(parents=True)
        network = make_network(name)
        export_network(network, side_px, begun / "bundle")
        add_int8_cpu(begun / "bundle", 1 if setting.quick else NOISE)
        export_plain(network, side_px, begun / "plain.onnx")
        begun.rename(folder)
    return Subject(name, folder / "bundle", folder / "plain.onnx", side_px)


def make_network(name: str) -> nn.Module:
    """Of torchvision with random weights, or "tiny"."""
    torch.manual_seed(0)
    if name == "tiny":
        head = nn.Linear(8, len(CLASSES))
        conv = nn.Conv2d(3, 8, 3, stride=4)
        return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()
    network: nn.Module = getattr(torchvision.models, name)(weights=None, num_classes=len(CLASSES))
    with torch.no_grad():
        for _ in range(3):  # batch statistics that are not a fresh network's
            network(torch.randn(4, 3, 64, 64))
        last = network.get_submodule("fc")
        assert isinstance(last, nn.Linear)
        # Each class is there or not, as a network that learned would say: scores of a random head
        # lie at the thresholds, and every rounding would turn decisions.
        last.bias.copy_(torch.tensor([4.0, -4.0]).repeat(len(CLASSES) // 2))
    return network.eval()


def export_plain(network: nn.Module, side_px: int, out: Path) -> None:
    """As PyTorch's tutorial does it, in one file."""
    shown = torch.zeros(1, 3, side_px, side_px)
    torch.onnx.export(
        network,
        (shown,),
        out,
        input_names=["images"],
        output_names=["logits"],
        dynamo=True,
        external_data=False,
        verbose=False,
    )

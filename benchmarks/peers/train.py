"""Epochs of `cdul-edge train` beside torchvision's reference loop and timm's."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.peers.row import Bar, Comparison, Measured, Setting
from benchmarks.peers.training import Network, TrainingWork, make_sides
from benchmarks.peers.turns import alternate_calls
from benchmarks.training import write_pictures

_NAMES: dict[Network, str] = {"resnet18": "resnet18", "lite0": "EfficientNet-Lite0"}
_PEERS = {"torchvision": "torchvision reference", "timm": "timm"}
_BARS = {"cached": Bar("at least", 1.15), "uncached": Bar("at least", 1.0)}


def measure_training(network: Network, setting: Setting) -> Measured:
    """Pictures a second of whole epochs over the same JPEG files; ours also from its cache."""
    count, batch = (4, 2) if setting.quick else (64, 32)
    with tempfile.TemporaryDirectory() as folder:
        pictures = write_pictures(Path(folder), count)
        sides = make_sides(TrainingWork(network, pictures, batch, setting.threads))
        seconds = alternate_calls(sides, setting.rounds)
    rates = {name: tuple(count / s for s in found) for name, found in seconds.items()}
    return Measured(
        tuple(
            Comparison(
                f"{peer}-{kind}", f"train, {_NAMES[network]}, {kind}", told, "pictures/s",
                rates[f"ours_{kind}"], rates[peer], bar,
            )
            for kind, bar in _BARS.items()
            for peer, told in _PEERS.items()
        )
    )  # fmt: skip


def measure_resnet18(setting: Setting) -> Measured:
    return measure_training("resnet18", setting)


def measure_lite0(setting: Setting) -> Measured:
    return measure_training("lite0", setting)

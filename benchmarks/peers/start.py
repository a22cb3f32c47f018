"""A fresh process to its first answer: how long each tool takes, and the memory that it holds."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.gpu.roots import ROOT, child_environment

Side = Literal[
    "ours", "onnxruntime_cv2", "openvino_cv2", "torchvision_eager", "ultralytics_predict"
]


@dataclass(frozen=True)
class FirstAnswer:
    """What one process said.

    Attributes:
        seconds: from just before it was started to its first answer; imports, loading, decoding.
        rss_mib: its resident memory then, in MiB.
    """

    seconds: float
    rss_mib: float


@dataclass(frozen=True)
class StartJob:
    """One script of `first_answer/` with what it is given.

    Attributes:
        model: what that tool loads: a bundle's folder, an ONNX file, or a checkpoint.
        words: what the script takes beyond model, picture, threads and start.
    """

    side: Side
    model: Path
    words: tuple[str, ...] = ()


def find_first_answer(
    job: StartJob, picture: Path, threads: int, settings: Mapping[str, str] | None = None
) -> FirstAnswer:
    """Run the script in a process of its own.

    Args:
        picture: a file.
        settings: environment variables beside this process's.

    Raises:
        subprocess.CalledProcessError: it failed; what it said went to stderr.
    """
    script = ["-m", f"benchmarks.peers.first_answer.{job.side}"]
    environment = {**child_environment(), **(settings or {})}
    # as pip installs packages, and so that a checkout is not compiled in every process
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.monotonic()
    words = [str(job.model), str(picture), str(threads), str(started), *job.words]
    run = subprocess.run(
        [sys.executable, *script, *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = json.loads(run.stdout.splitlines()[-1])
    return FirstAnswer(float(found["first_answer_s"]), float(found["rss_mib"]))


def save_torchvision_weights(network: object, out: Path) -> None:
    """What `torchvision_eager` loads: the weights alone, as torch's documentation advises.

    Args:
        network: a `torch.nn.Module` of torchvision.
    """
    import torch

    assert isinstance(network, torch.nn.Module)
    torch.save(network.state_dict(), out)


def save_ultralytics_checkpoint(name: str, classes: int, out: Path) -> None:
    """What `ultralytics_predict` loads: its own classifier on torchvision's network `name`.

    Args:
        name: such as "resnet18", whose last layers give 512 channels.
        out: ends in .pt.
    """
    from ultralytics import YOLO

    layers = out.with_name(f"{out.stem}-cls.yaml")
    layers.write_text(
        f"nc: {classes}\n"
        f"backbone:\n  - [-1, 1, TorchVision, [512, {name}, null, True, 2]]\n"
        "head:\n  - [-1, 1, Classify, [nc]]\n"
    )
    YOLO(layers, task="classify", verbose=False).save(out)

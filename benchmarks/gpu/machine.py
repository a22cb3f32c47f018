"""What is checked: the GPU, its driver, and the versions; asked in a process that ends at once.

`python -m benchmarks.gpu.machine` prints it as JSON, so that the process that starts the steps
never loads torch or CUDA itself.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.gpu.roots import ROOT, child_environment
from cdul_edge_export.engines.compute_capabilities import known_capabilities
from cdul_edge_runtime.backends.trt.library import import_tensorrt
from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError
from cdul_edge_runtime.host.json_record import parse_record
from cdul_edge_runtime.host.machine import describe_machine, installed_versions

PACKAGES = (
    "torch torchvision timm open_clip_torch numpy pillow onnx onnxscript onnxruntime "
    "onnxruntime-gpu pyarrow tensorrt tensorrt-cu12 tensorrt-cu13 tensorrt-rtx-cu12 "
    "tensorrt-rtx-cu13"
).split()
_SOURCES = ("cdul_edge", "export", "calibration", "runtime", "benchmarks", "tests")


@dataclass(frozen=True)
class CheckedMachine:
    """A GPU and what drives it; None where there is none, or where nobody could say.

    Attributes:
        capability: compute capability, such as "9.0".
        cuda: the version that torch was built for.
        providers: execution providers that ONNX Runtime lists.
        rtx_capabilities: what the installed TensorRT for RTX builds for; empty without it.
        versions: of installed packages; a package without metadata is left out.
        machine: processor, cores, memory, system, Python.
    """

    gpu: str | None
    capability: str | None
    gpu_memory_mib: int | None
    driver: str | None
    cuda: str | None
    providers: tuple[str, ...]
    versions: Mapping[str, str]
    machine: Mapping[str, object]
    rtx_capabilities: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        if self.gpu is None:
            return f"no GPU; {self.machine['cpu']}, {self.machine['cores']} cores"
        return f"{self.gpu}, compute capability {self.capability}, driver {self.driver}"


def ask_machine() -> CheckedMachine:
    """Ask a process of its own; what it prints on stderr is shown as it is.

    Raises:
        CdulEdgeError: a library that tells of GPUs does not load.
    """
    command = [sys.executable, "-m", "benchmarks.gpu.machine"]
    run = subprocess.run(
        command, cwd=ROOT, env=child_environment(), stdout=subprocess.PIPE, text=True
    )
    if run.returncode:
        raise CdulEdgeError(
            "torch or ONNX Runtime does not load (what it said stands above): install it again"
        )
    return parse_record(CheckedMachine, json.loads(run.stdout.splitlines()[-1]))


def read_commit() -> str:
    """The commit of the checkout, or "unknown": a lent machine may have no git."""
    try:
        run = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
        )
    except OSError:
        return "unknown"
    return run.stdout.strip() or "unknown"


def digest_sources() -> str:
    """SHA-256 of every Python file, which knows what a commit called "dirty" or "unknown" hides."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for file in sorted((ROOT / folder).rglob("*.py")):
            digest.update(f"{file.relative_to(ROOT)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _look() -> CheckedMachine:
    gpu = _ask_torch()
    return CheckedMachine(
        gpu=gpu.get("gpu"),
        capability=gpu.get("capability"),
        gpu_memory_mib=gpu.get("memory_mib"),
        driver=_ask_driver(),
        cuda=gpu.get("cuda"),
        providers=_ask_onnxruntime(),
        versions=installed_versions(*PACKAGES),
        machine=describe_machine(),
        rtx_capabilities=_ask_rtx(),
    )


def _ask_torch() -> dict[str, Any]:
    if find_spec("torch") is None:
        return {}
    import torch

    found: dict[str, Any] = {"cuda": torch.version.cuda}
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        found["gpu"] = properties.name
        found["capability"] = f"{properties.major}.{properties.minor}"
        found["memory_mib"] = properties.total_memory >> 20
    return found


def _ask_driver() -> str | None:
    """The driver's version as NVIDIA's own program or the kernel tells it."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=30)
        if run.returncode == 0 and run.stdout.strip():
            return run.stdout.split()[0]
    except (OSError, subprocess.TimeoutExpired):
        pass
    try:
        told = Path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return None
    words = (word for word in told.split() if word.replace(".", "").isdigit() and "." in word)
    return next(words, None)


def _ask_onnxruntime() -> tuple[str, ...]:
    if find_spec("onnxruntime") is None:
        return ()
    import onnxruntime

    return tuple(onnxruntime.get_available_providers())


def _ask_rtx() -> tuple[str, ...]:
    try:
        return known_capabilities(import_tensorrt("rtx"))
    except CdulEdgeError as error:
        if not isinstance(error, MissingExtraError):  # there and broken: the step will say so too
            print(error, file=sys.stderr)
        return ()


if __name__ == "__main__":
    print(json.dumps(asdict(_look())))

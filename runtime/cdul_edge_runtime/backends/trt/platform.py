"""The platform that an engine fits: TensorRT, its version, and the GPU."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cdul_edge_runtime.choices import Flavor


@dataclass(frozen=True)
class GpuPlatform:
    """What an engine is bound to.

    Attributes:
        tensorrt: full version, such as "10.3.0".
        gpu: the device's name; empty, as what describes it, where an engine was built without one.
        compute_capability: such as "8.7", or empty.
        multiprocessors: how many; every Orin module is an "Orin" of 8.7, and has its own number.
        system: machine architecture, such as "aarch64".
        flavor: which of NVIDIA's two libraries `tensorrt` is the version of.
    """

    tensorrt: str
    gpu: str
    compute_capability: str
    multiprocessors: int
    system: str
    flavor: Flavor = "tensorrt"


def library_name(flavor: Flavor) -> str:
    """As NVIDIA calls it."""
    return "TensorRT for RTX" if flavor == "rtx" else "TensorRT"


def is_ampere_or_later(platform: GpuPlatform) -> bool:
    """Whether a hardware-compatible engine can be built or run there."""
    return version_numbers(platform.compute_capability) >= (8, 0)


def describe_gpu(platform: GpuPlatform) -> str:
    """In words; what differs in none of them runs the same engines."""
    return (
        f"{platform.gpu} (compute capability {platform.compute_capability}, "
        f"{platform.multiprocessors} multiprocessors)"
    )


def gpu_slug(platform: GpuPlatform) -> str:
    """For file names, such as "orin-sm87-16mp" of 16 multiprocessors."""
    slug = re.sub(r"[^a-z0-9]+", "-", platform.gpu.lower()).strip("-")
    capability = platform.compute_capability.replace(".", "")
    return f"{slug}-sm{capability}-{platform.multiprocessors}mp"


def describe_capabilities(capabilities: tuple[str, ...], *, newer_gpus: bool) -> str:
    """Such as "compute capability 8.6, 8.9"."""
    return f"compute capability {', '.join(capabilities)}{' and later' if newer_gpus else ''}"


def holds_gpu(capabilities: tuple[str, ...], capability: str, *, newer_gpus: bool) -> bool:
    """Whether GPUs of that compute capability are among these, or newer than all where that counts.

    Hopper (9.0) or Jetson Orin (8.7) lie between those that TensorRT for RTX supports: they count
    as neither.
    """
    newest = max(map(version_numbers, capabilities), default=())
    newer = newer_gpus and bool(newest) and version_numbers(capability) > newest
    return newer or capability in capabilities


def version_numbers(version: str) -> tuple[int, ...]:
    """(10, 3, 0) of "10.3.0"; what is no number ends it."""
    numbers = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)

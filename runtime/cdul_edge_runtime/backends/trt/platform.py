"""The one platform that an engine fits: TensorRT's version and the GPU."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GpuPlatform:
    """What an engine is bound to.

    Attributes:
        tensorrt: full version, such as "10.3.0".
        gpu: the device's name.
        compute_capability: such as "8.7".
        multiprocessors: how many; every Orin module is an "Orin" of 8.7, and has its own number.
        system: machine architecture, such as "aarch64".
    """

    tensorrt: str
    gpu: str
    compute_capability: str
    multiprocessors: int
    system: str


def is_ampere_or_later(platform: GpuPlatform) -> bool:
    """Whether a hardware-compatible engine can be built or run there."""
    return version_numbers(platform.compute_capability) >= (8, 0)


def describe_gpu(platform: GpuPlatform) -> str:
    """In words; what differs in none of them runs the same engines."""
    return (
        f"{platform.gpu} (compute capability {platform.compute_capability}, "
        f"{platform.multiprocessors} multiprocessors)"
    )


def version_numbers(version: str) -> tuple[int, ...]:
    """(10, 3, 0) of "10.3.0"; what is no number ends it."""
    numbers = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)

"""What machine this is: a number never travels without it. Nothing here fails or loads torch."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

# The instruction sets that decide how fast a CPU runs FP32, BF16 and INT8 networks.
_CPU_FLAGS = (
    *("avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimd", "asimddp", "bf16"),
)


def describe_machine() -> dict[str, Any]:
    """Plain values: CPU model, usable cores, instruction sets, memory in MiB, system, Python."""
    cpu = _cpu_info()
    flags = (cpu.get("flags") or cpu.get("Features") or "").split()
    return {
        "cpu": _cpu_name(cpu),
        "cores": usable_cores(),
        "cpu_flags": [flag for flag in _CPU_FLAGS if flag in flags],
        "memory_mib": _memory_mib(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


def cpu_has(instructions: str) -> bool:
    """Whether the CPU names these instructions, such as "avx512_bf16"; false if it names none."""
    cpu = _cpu_info()
    return instructions in f"{cpu.get('flags', '')} {cpu.get('Features', '')}".split()


def cpu_maker() -> str | None:
    """Who made an x86 CPU, such as "GenuineIntel" or "AuthenticAMD"; None if it is not told."""
    return _cpu_info().get("vendor_id")


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def installed_versions(*distributions: str) -> dict[str, str]:
    """Version of each installed distribution; the others are left out."""
    from importlib import metadata  # a tenth of the runtime's import time

    found = {}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def nvidia_driver_there() -> bool:
    """Whether a driver for an NVIDIA GPU is loaded; cheap, and loads no CUDA on other machines."""
    if any(any(Path("/dev").glob(f"{name}*")) for name in ("nvidia", "nvhost")):
        return True
    try:
        ctypes.CDLL("libcuda.so.1")  # WSL has the library and no device file
    except OSError:
        return False
    return True


def give_free_memory_back() -> None:
    """Return to the system what this process has freed and the C library keeps, where it can.

    Loading a network frees as much again as it keeps. glibc holds on to it: 68 MiB of 172 after
    ResNet-18, 137 MiB of 290 after ResNet-50. Takes 0.1 ms per MiB.
    """
    # glibc alone has it, and Windows no such name for the program itself
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def reset_peak_memory() -> bool:
    """Let `peak_memory_mib` count from now on; false where the system cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux 4.0: resets VmHWM
    except OSError:
        return False
    return True


def peak_memory_mib() -> float | None:
    """Largest resident size of this process in MiB, since it began or `reset_peak_memory`.

    None where the system has no answer.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return _peak_since_start_mib()
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0]) / (1 << 10) if found else _peak_since_start_mib()


def resident_memory_mib() -> float:
    """Memory of this process that is in RAM, in MiB.

    Where the system does not say, the most that it ever was; NaN where it says nothing at all.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
    except OSError:
        peak = _peak_since_start_mib()
        return math.nan if peak is None else peak


def _peak_since_start_mib() -> float | None:
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / (1 << 10)


def _cpu_name(cpu: dict[str, str]) -> str:
    """On ARM, Linux names the board (of a Raspberry Pi), and the core by its numbers."""
    if "model name" in cpu:
        return cpu["model name"]
    parts = [cpu[key] for key in ("Model", "CPU implementer", "CPU part") if key in cpu]
    if parts:
        return " ".join([platform.machine(), *parts])
    return platform.processor() or platform.machine()


def _cpu_info() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _memory_mib() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    except (AttributeError, ValueError, OSError):
        return None

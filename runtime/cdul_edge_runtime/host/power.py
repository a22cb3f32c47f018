"""Power mode and clocks, without which a latency cannot be repeated. Nothing here fails."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

_CPUS = Path("/sys/devices/system/cpu")
_DEVFREQ = Path("/sys/class/devfreq")
_NVIDIA_CLOCKS = "clocks.sm,clocks.mem,clocks.max.sm,pstate,power.draw,power.limit"


def describe_power() -> dict[str, Any]:
    """Plain values of what this machine tells; what it does not tell is left out.

    Returns:
        Any of `cpu_governor`, `cpu_mhz` (now) and `cpu_max_mhz`; `jetson_mode` (nvpmodel);
        `gpu_clocks`: {name: {"mhz", "max_mhz"}} of a Jetson's GPU; `nvidia_smi`: a line a GPU.
    """
    found = {
        **_cpu_clocks(_CPUS),
        "gpu_clocks": _gpu_clocks(_DEVFREQ),
        "jetson_mode": parse_nvpmodel(_ask("nvpmodel", "-q")),
        "nvidia_smi": _nvidia_clocks(),
    }
    return {key: value for key, value in found.items() if value not in (None, {}, [])}


def parse_nvpmodel(answer: str) -> str | None:
    """The mode's name in what `nvpmodel -q` prints: "NV Power Mode: MAXN" gives "MAXN"."""
    for line in answer.splitlines():
        name, colon, mode = line.partition(":")
        if colon and name.strip() == "NV Power Mode":
            return mode.strip()
    return None


def _cpu_clocks(cpus: Path) -> dict[str, Any]:
    """Governors, and the lowest clock of all cores: the slowest holds up the others."""
    folders = sorted(cpus.glob("cpu[0-9]*/cpufreq"))
    governors = {_read(folder / "scaling_governor") for folder in folders} - {""}
    now = [mhz for f in folders if (mhz := _read_mhz(f / "scaling_cur_freq", 1000)) is not None]
    most = [mhz for f in folders if (mhz := _read_mhz(f / "scaling_max_freq", 1000)) is not None]
    return {
        "cpu_governor": ", ".join(sorted(governors)) or None,
        "cpu_mhz": min(now, default=None),
        "cpu_max_mhz": max(most, default=None),
    }


def _gpu_clocks(devfreq: Path) -> dict[str, dict[str, int | None]]:
    """Of a Jetson: its GPU stands among the devices that scale their clock."""
    found = {}
    for folder in sorted(devfreq.glob("*")):
        if any(mark in folder.name for mark in ("gpu", "gv11b", "ga10b", "gp10b", "gb10b")):
            found[folder.name] = {
                "mhz": _read_mhz(folder / "cur_freq", 1_000_000),
                "max_mhz": _read_mhz(folder / "max_freq", 1_000_000),
            }
    return found


def _nvidia_clocks() -> list[str]:
    answer = _ask("nvidia-smi", f"--query-gpu={_NVIDIA_CLOCKS}", "--format=csv,noheader")
    names = _NVIDIA_CLOCKS.split(",")
    lines = (line.split(",") for line in answer.splitlines() if line.count(",") + 1 == len(names))
    return [
        "; ".join(f"{name} {value.strip()}" for name, value in zip(names, line, strict=True))
        for line in lines
    ]


def _ask(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _read_mhz(path: Path, per_mhz: int) -> int | None:
    text = _read(path)
    return int(text) // per_mhz if text.isdigit() else None

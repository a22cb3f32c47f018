"""What the driver, the system's files, and Python processes of their own say."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cdul_edge_runtime.host.child_python import child_command, child_environment
from cdul_edge_runtime.host.machine import nvidia_driver_there


@dataclass(frozen=True)
class Gpu:
    """What the driver says.

    Attributes:
        nvidia: name, driver, memory and compute capability; begins with "none" where there is none.
        jetson: first line of a Jetson's release file; None elsewhere.
        compute_capabilities: such as "8.9", each once; empty where nvidia-smi does not answer.
    """

    nvidia: str
    jetson: str | None = None
    compute_capabilities: tuple[str, ...] = ()

    @property
    def present(self) -> bool:
        """Whether the driver sees one."""
        return not self.nvidia.startswith("none")

    def to_dict(self) -> dict[str, str]:
        """Plain values for JSON."""
        return {"nvidia": self.nvidia} | ({"jetson": self.jetson} if self.jetson else {})


@dataclass(frozen=True)
class ChildAnswer:
    """What a Python process of its own found, or why it did not."""

    facts: Mapping[str, object]
    error: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {"error": self.error} if self.error is not None else dict(self.facts)


def ask_python(script: str) -> ChildAnswer:
    """Run `script` in a process of its own, which prints JSON: a broken library can end it."""
    try:
        answer = subprocess.run(
            child_command(script),
            env=child_environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        facts = json.loads(answer.stdout.strip().splitlines()[-1])
    except subprocess.CalledProcessError as error:
        return ChildAnswer({}, (error.stderr.strip().splitlines() or ["it crashed"])[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        return ChildAnswer({}, str(error))
    return ChildAnswer(facts)


def ask_driver() -> Gpu:
    """What nvidia-smi, or a Jetson's files, say; nothing here fails."""
    loaded = nvidia_driver_there()
    if jetson := _read_text(Path("/etc/nv_tegra_release")):
        seen = "device files are there" if loaded else "none (no device files: --runtime nvidia?)"
        return Gpu(seen, jetson.splitlines()[0])
    query = "--query-gpu=name,driver_version,memory.total,compute_cap"
    try:
        answer = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        silent = "nvidia-smi does not answer"
        return Gpu(f"a driver is loaded, and {silent}" if loaded else f"none ({silent})")
    lines = answer.stdout.strip().splitlines()
    last = (line.rpartition(",")[2].strip() for line in lines)
    known = (text for text in last if re.fullmatch(r"\d+\.\d", text))  # or "[N/A]"
    return Gpu("; ".join(lines), None, tuple(dict.fromkeys(known)))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""

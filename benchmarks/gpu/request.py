"""What the check is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.gpu.roots import ROOT
from benchmarks.gpu.step import Device, Setting

RESULTS = ROOT / "benchmarks" / "results" / "gpu"
TRIALS = ROOT / "build" / "gpu-check"  # of --quick and of the CPU: never taken for a GPU's figures
STEPS = "benchmarks.gpu.steps"


@dataclass(frozen=True)
class CheckRequest:
    """Options of `python -m benchmarks.gpu`.

    Attributes:
        minutes: that the whole check may take.
        steps: names of those to run; empty for all.
        force: run steps that have a result already.
        out: folder of results; None is `RESULTS` for a GPU at full size, else `TRIALS`.
        steps_module: a module with a tuple `STEPS`.
    """

    device: Device = "cuda"
    quick: bool = False
    minutes: float = 8
    steps: tuple[str, ...] = ()
    force: bool = False
    out: Path | None = None
    steps_module: str = STEPS

    def folder(self, setting: Setting) -> Path:
        """Where results go."""
        return self.out or (RESULTS if setting.full else TRIALS)

    def command(self, step: str) -> str:
        """The command that repeats one step; no path of this machine is in it."""
        words = ["python -m benchmarks.gpu", f"--steps {step}"]
        words += ["--device cpu"] if self.device == "cpu" else []
        words += ["--quick"] if self.quick else []
        return " ".join([*words, "--force"])

"""Steps that do what steps may do wrong; the child processes of the GPU check import this."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np

from benchmarks.gpu.step import Context, Figure, Outcome, Setting, Step, anywhere


def steady(context: Context) -> Outcome:
    print("a line in the log")
    return Outcome((Figure("ratio", 0.9, at_least=0.85),), details={"quick": context.quick})


def slow(context: Context) -> Outcome:
    speed = Figure("pictures a second", 10, "1/s", at_least=100, costs=True)
    return Outcome((speed, Figure("agreement", 0.5, at_least=0.99)))


def crash(context: Context) -> Outcome:
    context.keep(Outcome((Figure("half of it", 1),), notes=("the other half was not reached",)))
    print(f"about to die in {context.folder}", flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
    return Outcome()


def fail(context: Context) -> Outcome:
    raise ValueError("no such kernel")


def hang(context: Context) -> Outcome:
    """A process of its own is left behind, which would keep the GPU; it names who checks."""
    words = f"left by hang of {os.getppid()}"
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", words])
    time.sleep(600)
    return Outcome()


def interrupt(context: Context) -> Outcome:
    """As a person does who presses Ctrl-C while this runs."""
    os.kill(os.getppid(), signal.SIGINT)
    return hang(context)


def strange(context: Context) -> Outcome:
    """NumPy's numbers, and what is none."""
    half, nothing = np.float32(0.5), np.float64("nan")
    figures = (Figure("half", float(half)), Figure("nothing", nothing, at_most=1))
    return Outcome(figures, details={"curve": [np.float32(1.5), nothing], "shape": (2, 3)})


def no_library(setting: Setting) -> str | None:
    return "libnothing is not installed"


STEPS = (
    Step("steady", "a step that passes", anywhere, 10, 1, steady),
    Step("slow", "a step that misses its bars", anywhere, 10, 1, slow),
    Step("crash", "a step that dies", anywhere, 10, 1, crash),
    Step("fail", "a step with a bug", anywhere, 10, 1, fail),
    Step("hang", "a step that never ends", anywhere, 10, 0.1, hang),
    Step("interrupt", "a step that is interrupted", anywhere, 10, 1, interrupt),
    Step("strange", "a step of strange numbers", anywhere, 10, 1, strange),
    Step("absent", "a step that cannot run here", no_library, 10, 1, steady),
)

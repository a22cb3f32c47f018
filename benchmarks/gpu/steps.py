"""The steps of the check, in the order in which they run; what does not fit is left from the end.

Importing this loads no torch: each step's module imports what it measures when it runs.
"""

from __future__ import annotations

from benchmarks.gpu import (
    labelling_step,
    memory_step,
    onnxruntime_step,
    tensorrt_step,
    tests_step,
    training_step,
)
from benchmarks.gpu.step import Step

STEPS: tuple[Step, ...] = (
    tests_step.STEP,
    labelling_step.STEP,
    training_step.STEP,
    memory_step.STEP,
    onnxruntime_step.STEP,
    tensorrt_step.STEP,
)

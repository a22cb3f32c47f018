"""Parts of a step, and the memory that is watched in some of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gpu.machine import CheckedMachine
from benchmarks.gpu.memory import MemoryLog, Sample, tell_growth
from benchmarks.gpu.parts import run_parts
from benchmarks.gpu.step import Context, Figure, Outcome

MACHINE = CheckedMachine(None, None, None, None, None, (), {}, {})


@pytest.fixture
def kept() -> list[Outcome]:
    return []


@pytest.fixture
def context(tmp_path: Path, kept: list[Outcome]) -> Context:
    return Context("cpu", True, MACHINE, tmp_path, 0.0, kept.append)


def fail() -> Outcome:
    raise RuntimeError("CUDA error:\n  an illegal memory access")


def test_a_part_that_fails_costs_no_other(context: Context, kept: list[Outcome]) -> None:
    first = Outcome((Figure("speed", 2),), notes=("half of it",), details={"repeats": 3})
    last = Outcome((Figure("speed", 3),), failures=("too hot",))
    parts = {"bf16": lambda: first, "fp16": fail, "fp32": lambda: last}
    found = run_parts(context, parts, notes=["int4: no kernel"])
    assert [(one.name, one.value) for one in found.figures] == [
        ("bf16: speed", 2),
        ("fp32: speed", 3),
    ]
    assert found.failures == (
        "fp16: RuntimeError: CUDA error: an illegal memory access",
        "fp32: too hot",
    )
    assert found.notes == ("int4: no kernel", "bf16: half of it")
    assert found.details == {"bf16": {"repeats": 3}}
    assert [len(one.figures) for one in kept] == [1, 1, 2]
    assert kept[-1] == found


def test_growth_is_counted_from_the_first_mark(context: Context) -> None:
    samples = [Sample(200, 1000, 500), Sample(1000, 1006, 490), Sample(2000, 1005, 520)]
    device, process = tell_growth(samples).figures
    assert (device.name, device.value) == ("GPU memory grew by", 5)
    assert (process.name, process.value) == ("process memory grew by", 20)
    assert device.verdict(full=True) == "missed"
    assert process.verdict(full=True) == "met"
    assert device.verdict(full=False) == "not judged"
    (process,) = tell_growth([Sample(2, None, 5), Sample(20, None, 5)]).figures
    assert process.value == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells resident memory")
def test_work_that_ends_early_is_no_flat_memory(context: Context) -> None:
    log = MemoryLog(context)
    for _ in range(log.batches - 1):
        log.batch_done()
    assert log.outcome().failures == ("ended after 19 of 20 batches",)
    log.batch_done()
    assert log.outcome().failures == ()
    assert [one.batches for one in log.samples] == [2, 10, 20]

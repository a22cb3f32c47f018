"""The whole check: plan, steps one after another, table, exit status."""

from __future__ import annotations

import sys
from time import monotonic

from benchmarks.gpu.machine import CheckedMachine, ask_machine, digest_sources, read_commit
from benchmarks.gpu.plan import find_steps, make_plan, share
from benchmarks.gpu.report import draw_table, tell_end, tell_plan
from benchmarks.gpu.request import CheckRequest
from benchmarks.gpu.result_file import StepResult, identify, read_result
from benchmarks.gpu.run_step import Run, run_step
from benchmarks.gpu.step import Setting
from cdul_edge_runtime.errors import CdulEdgeError

_ON_A_CPU = "`--device cpu --quick` tries the script itself on any machine"


def check(request: CheckRequest, machine: CheckedMachine | None = None) -> int:
    """Run it; 0 where every step that can run here passed, 1 where one missed, or none ran.

    Args:
        request: the options.
        machine: where the check runs, if that was asked already.

    Raises:
        CdulEdgeError: there is no GPU, or no such step.
    """
    start = monotonic()
    steps = find_steps(request.steps_module, request.steps)
    setting = Setting(request.device, request.quick, machine or ask_machine())
    if setting.device == "cuda" and setting.machine.gpu is None:
        raise CdulEdgeError(f"{_why_no_gpu(setting.machine)}; {_ON_A_CPU}")
    run = Run(request, setting, read_commit(), identify(setting, digest_sources()))
    earlier = {} if request.force else _find_earlier(run, [step.name for step in steps])
    deadline = start + 60 * request.minutes
    plan = make_plan(steps, setting, earlier, deadline - monotonic())
    _say(*tell_plan(plan, setting, request.minutes))
    results = [result for _, result in plan.done]
    try:
        for place, step in enumerate(plan.run):
            allowed = share(step, plan.run[place + 1 :], setting, deadline - monotonic())
            _say(f"[{place + 1}/{len(plan.run)}] {step.name}: {allowed:.0f} s at most")
            results.append(run_step(run, step, allowed))
            _say(f"      {results[-1].status} after {results[-1].seconds:.0f} s")
            if not results[-1].finished:
                _say(*(f"      | {line}" for line in results[-1].log_tail[-5:]))
    finally:
        order = [step.name for step in steps]
        results.sort(key=lambda result: order.index(result.benchmark))
        print(draw_table(plan, results, setting), end="", flush=True)
        _say(*tell_end(plan, results, setting, run.folder))
    passed = bool(results) and all(result.status == "passed" for result in results)
    return 0 if passed and not plan.left else 1


def _why_no_gpu(machine: CheckedMachine) -> str:
    if "torch" not in machine.versions:
        return "torch is not installed in this Python (`make gpu-check PYTHON=...` names another)"
    if machine.cuda is None:
        return f"torch {machine.versions['torch']} is built without CUDA: install one that is"
    return "torch finds no CUDA device here: `nvidia-smi` shows whether the driver does"


def _find_earlier(run: Run, names: list[str]) -> dict[str, StepResult]:
    """Results that stand: of steps that came to their end in the same circumstances."""
    found = ((name, read_result(run.folder / f"{name}.json")) for name in names)
    return {
        name: result
        for name, result in found
        if result is not None and result.finished and result.identity == run.identity
    }


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)

"""Start a step's process, stop it after its share, and make a result of what it left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from time import monotonic

from benchmarks.gpu.child import MACHINE, KeptOutcome, read_kept
from benchmarks.gpu.local_paths import hide_paths
from benchmarks.gpu.request import CheckRequest
from benchmarks.gpu.result_file import Status, StepResult, judge
from benchmarks.gpu.roots import ROOT, child_environment
from benchmarks.gpu.step import Setting, Step
from cdul_edge_runtime.host.files import write_json

_GRACE_S = 5  # between asking a process to end and killing it
_TAIL = 20  # lines of the log that a result file keeps


@dataclass(frozen=True)
class Run:
    """What all steps of one run share."""

    request: CheckRequest
    setting: Setting
    commit: str
    identity: Mapping[str, object]

    @property
    def folder(self) -> Path:
        """Of the results."""
        return self.request.folder(self.setting)

    def log(self, step: Step) -> Path:
        """What the step prints; overwritten by its next run."""
        return self.folder / "logs" / f"{step.name}.log"


def run_step(run: Run, step: Step, allowed_s: float) -> StepResult:
    """Run one step in a child process, for `allowed_s` at most, and write its result file.

    A KeyboardInterrupt stops the child and leaves no result.
    """
    log = run.log(step)
    log.parent.mkdir(parents=True, exist_ok=True)
    measured = datetime.now(timezone.utc).isoformat(timespec="seconds")
    start = monotonic()
    with tempfile.TemporaryDirectory(prefix="gpu-check-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        write_json(folder / MACHINE, asdict(run.setting.machine))
        with log.open("wb") as out:
            code = _wait(_start(run, step, folder, allowed_s, out.fileno()), allowed_s)
        kept = read_kept(folder)
        tail = () if kept.ended and code == 0 else _tail(log, folder)
    status, failures = _conclude(kept, code, allowed_s, full=run.setting.full)
    result = StepResult(
        benchmark=step.name,
        title=step.title,
        command=run.request.command(step.name),
        measured=measured,
        commit=run.commit,
        identity=run.identity,
        on=run.setting.machine,
        status=status,
        seconds=round(monotonic() - start, 1),
        allowed_seconds=round(allowed_s, 1),
        figures=kept.outcome.figures,
        failures=(*kept.outcome.failures, *failures),
        notes=kept.outcome.notes,
        log_tail=tail,
        details=kept.outcome.details,
    )
    result.write(run.folder)
    return result


def _start(
    run: Run, step: Step, folder: Path, allowed_s: float, log: int
) -> subprocess.Popen[bytes]:
    request = run.request
    command = [sys.executable, "-m", "benchmarks.gpu.child", step.name, str(folder)]
    command += ["--module", request.steps_module, "--seconds", f"{allowed_s:.1f}"]
    command += ["--device", request.device, *(["--quick"] if request.quick else [])]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a group, so that what the step starts is stopped with it
    )


def _wait(child: subprocess.Popen[bytes], allowed_s: float) -> int | None:
    """The exit status, or None where the time was up."""
    try:
        code: int | None = child.wait(allowed_s)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        _end(child)
    return code


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and what it started: they would keep the GPU from the next step."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            break
        try:
            child.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            continue
    child.wait()


def _conclude(
    kept: KeptOutcome, code: int | None, allowed_s: float, *, full: bool
) -> tuple[Status, tuple[str, ...]]:
    if kept.ended and code == 0:
        return judge(kept.outcome, full=full), ()
    if code is None:
        return "stopped", (f"did not end within its share of {allowed_s:.0f} s",)
    how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
    return "crashed", (f"its process ended {how}",)


def _tail(log: Path, folder: Path) -> tuple[str, ...]:
    """The end of the log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
    return tuple(hide_paths(line, folder)[:500] for line in lines)

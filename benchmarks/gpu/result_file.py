"""One JSON file per step: what was found, on which GPU, with which versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.gpu.machine import CheckedMachine
from benchmarks.gpu.step import Figure, Outcome, Setting
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.host.json_record import parse_record

# `crashed` and `stopped` steps did not come to their end, and run again next time.
Status = Literal["passed", "missed", "crashed", "stopped"]


@dataclass(frozen=True)
class StepResult:
    """A result file.

    Attributes:
        identity: what must be the same for a step not to run again; see `identify`.
        status: `passed`, `missed` (a bar or a failure), `crashed`, or `stopped` after its share.
        seconds: that it took, of `allowed_seconds`.
        log_tail: the last lines that it printed, where it crashed or was stopped.
    """

    benchmark: str
    title: str
    command: str
    measured: str
    commit: str
    identity: Mapping[str, object]
    on: CheckedMachine
    status: Status
    seconds: float
    allowed_seconds: float
    figures: tuple[Figure, ...]
    failures: tuple[str, ...]
    notes: tuple[str, ...]
    log_tail: tuple[str, ...] = ()
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether it came to its end, whatever it found."""
        return self.status in ("passed", "missed")

    def write(self, folder: Path) -> None:
        """Write NAME.json."""
        write_json(folder / f"{self.benchmark}.json", asdict(self))


def read_result(file: Path) -> StepResult | None:
    """A result file; None where there is none that this version can read."""
    try:
        return parse_record(StepResult, read_json(file)) if file.is_file() else None
    except CdulEdgeError:
        return None


def identify(setting: Setting, sources_sha256: str) -> dict[str, object]:
    """The GPU, its driver, the versions, the size, and every source file: equal for equal runs."""
    on = setting.machine
    return {
        "device": setting.device,
        "quick": setting.quick,
        "sources_sha256": sources_sha256,
        "gpu": on.gpu,
        "driver": on.driver,
        "cuda": on.cuda,
        "python": on.machine.get("python"),
        "versions": dict(on.versions),
    }


def judge(outcome: Outcome, *, full: bool) -> Status:
    """Whether a step that came to its end did all it should."""
    missed = any(figure.verdict(full=full) == "missed" for figure in outcome.figures)
    return "missed" if missed or outcome.failures else "passed"

"""One step in a process of its own: a crash or a hang costs that step alone.

Writes outcome.json into the step's folder each time the step keeps something, and at its end.
"""

from __future__ import annotations

import argparse
import signal
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from time import monotonic

import numpy as np

from benchmarks.gpu.local_paths import hide_all_paths
from benchmarks.gpu.machine import CheckedMachine
from benchmarks.gpu.plan import find_steps
from benchmarks.gpu.step import Context, Outcome
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.host.json_record import parse_record

OUTCOME, MACHINE, WORK = "outcome.json", "machine.json", "work"
_LATER = 30  # seconds after its share at which a child whose parent was killed ends by itself


@dataclass(frozen=True)
class KeptOutcome:
    """What the child leaves; `ended` says whether the step came to its end."""

    ended: bool = False
    outcome: Outcome = field(default_factory=Outcome)


def read_kept(folder: Path) -> KeptOutcome:
    """What a child left in the step's folder; nothing, where it left nothing."""
    file = folder / OUTCOME
    if not file.is_file():
        return KeptOutcome()
    return parse_record(KeptOutcome, hide_all_paths(read_json(file), folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--module", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--device", choices=["cuda", "cpu"], required=True)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    signal.alarm(int(given.seconds) + _LATER)
    deadline = monotonic() + given.seconds
    (step,) = find_steps(given.module, [given.step])
    work = given.folder / WORK
    work.mkdir()

    def keep(outcome: Outcome, *, ended: bool = False) -> None:
        write_json(given.folder / OUTCOME, _plain(asdict(KeptOutcome(ended, outcome))))

    context = Context(
        device=given.device,
        quick=given.quick,
        machine=parse_record(CheckedMachine, read_json(given.folder / MACHINE)),
        folder=work,
        deadline=deadline,
        keep=keep,
    )
    keep(step.run(context), ended=True)


def _plain(value: object) -> object:
    """The same as JSON can hold it: NumPy's numbers become Python's, and what is none, null."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not isfinite(value) else value


if __name__ == "__main__":
    main()

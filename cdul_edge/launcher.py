"""Whether this process is one of several copies of a command, and what started them.

Copies that do not know of one another write the same files. `train` shares its work under torchrun;
every other command is to be started once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass

from cdul_edge_runtime.errors import CdulEdgeError

# Who starts copies without a way for them to meet, by the variables that say how many there are and
# which one this is.
_COPIES = {
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"): "srun",
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"): "mpirun",
    ("PMI_SIZE", "PMI_RANK"): "mpiexec",
    ("MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"): "mpirun",
}
# Commands whose copies find each other and share the work, where torchrun started them.
_SHARED = ("train",)
# Commands that write nothing.
_READERS = ("info", "doctor")
# Seconds that a copy which keeps silent waits for the one that speaks.
PAUSE_S = 5.0
# Whether the copies have met: before, all of them fail alike, and one of a machine says so.
_met: ContextVar[bool] = ContextVar("met", default=False)


@dataclass(frozen=True)
class Launch:
    """This process among those that torchrun, or what speaks its language, started together.

    Attributes:
        rank: Of all, from 0.
        count: Of all machines.
        local_rank: On this machine, from 0.
        local_count: On this machine.
        restarts: How often all of them were started again after one was lost.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1
    restarts: int = 0


def find_launch(environment: Mapping[str, str] = os.environ) -> Launch:
    """This process among its copies; alone where torchrun started one, or did not start it.

    A WORLD_SIZE without a RANK is what an earlier job left in a shell, and no launcher's.

    Raises:
        CdulEdgeError: the variables do not fit together.
    """
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return Launch()
    rank, count = _number(environment, "RANK"), _number(environment, "WORLD_SIZE")
    if count < 1 or not 0 <= rank < count:
        raise CdulEdgeError(
            f"RANK={rank} and WORLD_SIZE={count} do not fit together: start the command with "
            "torchrun, or unset both"
        )
    if count == 1:
        return Launch()
    absent = [name for name in ("MASTER_ADDR", "MASTER_PORT") if not environment.get(name)]
    if absent:
        raise CdulEdgeError(
            f"RANK={rank} and WORLD_SIZE={count} say that this is one of {count} processes, but "
            f"{' and '.join(absent)} is not set: start the command with torchrun, or unset RANK "
            "and WORLD_SIZE"
        )
    # A launcher that does not number the processes of a machine starts one on each.
    local_rank = _number(environment, "LOCAL_RANK", 0)
    return Launch(
        rank,
        count,
        local_rank,
        _number(environment, "LOCAL_WORLD_SIZE", local_rank + 1),
        _number(environment, "TORCHELASTIC_RESTART_COUNT", 0),
    )


def refuse_copies(
    command: str, *, on_ray: bool = False, environment: Mapping[str, str] = os.environ
) -> None:
    """Refuse a command of which several copies were started.

    Args:
        command: its name.
        on_ray: Ray shares the work: `ray symmetric-run` is copied, and starts the command once.
        environment: of this process.

    Raises:
        CdulEdgeError: they would write over one another.
    """
    if command in _READERS:
        return
    launch = find_launch(environment)
    if launch.count > 1:
        if command in _SHARED:
            return
        raise CdulEdgeError(
            f"torchrun started {launch.count} copies of `cdul-edge {command}`, which would write "
            "over one another: start it once, without torchrun, or unset RANK and WORLD_SIZE"
        )
    for (name, _), starter in () if on_ray else _COPIES.items():
        copies = environment.get(name, "")
        if _is_more(copies, than=1):
            raise CdulEdgeError(
                f"{starter} started {copies} copies of `cdul-edge {command}`, which would write "
                f"over one another: start it once (train on several GPUs with torchrun), or unset "
                f"{name} where every copy has an --out of its own"
            )


def refuse_later_copies(
    verb: str, *, on_ray: bool = False, environment: Mapping[str, str] = os.environ
) -> None:
    """Refuse a verb that a script calls in a copy other than the first.

    A script knows its copies: it may train in all of them, and then export in the first. So the
    first one is not refused, and where all of them call the verb, the others end.

    Args:
        verb: name of the function.
        on_ray: as of `refuse_copies`.
        environment: of this process.

    Raises:
        CdulEdgeError: this is not the first.
    """
    launch = find_launch(environment)
    if launch.count > 1:
        if launch.rank and verb not in _SHARED:
            raise _not_first(verb, "torchrun", launch.count, "RANK", "WORLD_SIZE")
        return
    for (name, number), starter in () if on_ray else _COPIES.items():
        copies = environment.get(name, "")
        if _is_more(copies, than=1) and _is_more(environment.get(number, ""), than=0):
            raise _not_first(verb, starter, int(copies), number, name)


def _not_first(verb: str, starter: str, copies: int, number: str, name: str) -> CdulEdgeError:
    return CdulEdgeError(
        f"{starter} started {copies} copies of this script, and `{verb}` in each would write over "
        f"the others' files: call it where os.environ['{number}'] is '0', or unset {number} and "
        f"{name} where every copy has an output of its own"
    )


def _is_more(number: str, *, than: int) -> bool:
    return number.isdecimal() and int(number) > than


def speak_from_here() -> None:
    """The copies have met: from here on, an error of this process is its own."""
    _met.set(True)


def keeps_silent(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether another copy on this machine fails alike, and says so for this one."""
    try:
        return find_launch(environment).local_rank > 0 and not _met.get()
    except CdulEdgeError:
        return False


def leave_last() -> None:
    """Give the copy that says what went wrong the time to: who starts them ends all with the first.

    It then ends this one, too, and so cuts the wait short.
    """
    with suppress(KeyboardInterrupt):
        time.sleep(PAUSE_S)


def _number(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environment.get(name)
    if text is None and default is not None:
        return default
    try:
        return int(text or "")
    except ValueError as error:
        raise CdulEdgeError(
            f"{name}={text!r} is no whole number: start the command with torchrun, or unset RANK "
            "and WORLD_SIZE"
        ) from error

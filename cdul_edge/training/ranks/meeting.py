"""Where the processes of a run meet, and how all of them end when one does."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import torch
import torch.distributed as dist

from cdul_edge.launcher import Launch, speak_from_here
from cdul_edge.training.ranks.ranks import ALONE, FAILED, Ranks
from cdul_edge_runtime.errors import CdulEdgeError, ToldElsewhereError

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

# How long a rank waits for another in one exchange. A process that dies is noticed at once; one
# that hangs, or a network that swallows, after this.
PATIENCE = timedelta(minutes=10)
# How long it takes at most to learn whether another rank has said what went wrong.
_ASKING = timedelta(seconds=5)
# Seconds between two looks at who has come.
_PAUSE_S = 0.1


@contextmanager
def open_ranks(launch: Launch, device: torch.device) -> Iterator[Ranks]:
    """Meet the other processes of the run; an error in the block ends all of them.

    The rank whose error comes first raises it. The others, which then wait in vain, raise a
    `ToldElsewhereError`, of which nobody needs to be told.

    Args:
        launch: this process among the others.
        device: that this rank trains on: gloo exchanges what lies in memory, NCCL what on GPUs.

    Raises:
        CdulEdgeError: the others cannot be reached, or one was lost.
    """
    if launch.count == 1:
        yield ALONE
        return
    store = _meet(launch, device)
    speak_from_here()
    try:
        with warnings.catch_warnings():
            if launch.rank:
                warnings.simplefilter("ignore")  # the first rank has the same
            yield Ranks(launch.rank, launch.count, launch=launch, store=store)
    except ToldElsewhereError:
        raise
    except BaseException as error:
        if not _tells_first(store, launch):
            raise ToldElsewhereError from error
        if _is_loss(error):
            raise CdulEdgeError(
                f"process {launch.rank} of {launch.count} has lost another one, which was ended or "
                f"cannot be reached: finished epochs are kept, and the same command goes on"
            ) from error
        raise
    dist.destroy_process_group()


def _meet(launch: Launch, device: torch.device) -> Store:
    if not dist.is_available():
        raise CdulEdgeError(
            "this PyTorch is built without torch.distributed: train without torchrun, or install "
            "another build"
        )
    # here and not above: without torch.distributed one process trains all the same
    from torch._C._distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    if dist.is_initialized():
        raise CdulEdgeError(
            "this process has a group of torch.distributed, of the script or of a run that failed: "
            "call torch.distributed.destroy_process_group() before you train, or start the script "
            "again"
        )
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    try:
        meeting = rendezvous("env://", launch.rank, launch.count, timeout=PATIENCE)
        shared: Store = next(iter(meeting))[0]
        session = PrefixStore(agree_on_session(shared, launch), shared)
        dist.init_process_group(
            backend,
            store=PrefixStore("group", session),
            rank=launch.rank,
            world_size=launch.count,
            timeout=PATIENCE,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise CdulEdgeError(
            f"process {launch.rank} of {launch.count} does not reach the others at MASTER_ADDR and "
            f"MASTER_PORT ({_first_line(error)}): start all of them with torchrun, or, for one "
            "process, unset RANK and WORLD_SIZE"
        ) from error
    return PrefixStore("words", session)


def agree_on_session(store: Store, launch: Launch) -> str:
    """A name that these processes share, and no earlier ones that were lost.

    torchrun may keep its store when it starts all again, with what the lost processes left there:
    addresses at which nobody answers. So each shows a token of its own, and takes the first rank's
    name for the session once the first rank has shown that token back.
    """
    own, until = uuid4().hex, time.monotonic() + PATIENCE.total_seconds()
    others = [f"token-{rank}" for rank in range(1, launch.count)]
    store.set(f"token-{launch.rank}", own)
    while time.monotonic() < until:
        if launch.rank == 0:
            come = [name for name in others if store.check([name])]
            # "NAME TOKEN TOKEN ...", until every token has been answered with the name.
            store.set("session", " ".join([own, *(_read(store, name) for name in come)]))
            answers = [f"{name}-{own}" for name in others]
            if store.check(answers):
                return own
        elif store.check(["session"]):
            name, *tokens = _read(store, "session").split()
            if own in tokens:
                store.set(f"token-{launch.rank}-{name}", own)
                return name
        time.sleep(_PAUSE_S)
    raise CdulEdgeError(
        f"process {launch.rank} of {launch.count} waited {PATIENCE.seconds // 60} minutes for the "
        "others in vain: start all of them with torchrun, or, for one process, unset RANK and "
        "WORLD_SIZE"
    )


def _read(store: Store, name: str) -> str:
    return str(store.get(name), "utf-8")


def _tells_first(store: Store, launch: Launch) -> bool:
    """Whether this is the first rank to fail; without a store that answers, the first of all."""
    try:
        store.set_timeout(_ASKING)
        return store.add(FAILED, 1) == 1
    except (RuntimeError, ValueError):
        return launch.rank == 0


def _is_loss(error: BaseException) -> bool:
    """Whether an exchange failed because of another rank; gloo has no type of its own for it."""
    if isinstance(error, dist.DistError):
        return True
    said = str(error).lower()
    signs = ("gloo", "nccl", "connection closed", "connection reset", "timed out waiting")
    return isinstance(error, RuntimeError) and any(sign in said for sign in signs)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)

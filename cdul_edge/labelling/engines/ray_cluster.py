"""A connection to a Ray cluster: one of this machine's own, or one that runs already."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from typing import Any, TextIO, cast

from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.host.child_python import child_command, child_environment
from cdul_edge_runtime.host.machine import usable_cores

# An address that nothing answers is known after so long; Ray itself waits for minutes.
REACH_S = 5.0
HEALTH_S = 40.0
OBJECT_STORE_BYTES = 100 * 2**20  # numbers and reports go through it; Ray's least is 75 MiB
CLIENT = "ray://"
LOCAL = "local"  # Ray's name of a cluster that starts here and ends with the command


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, as far as Ray knows it; `key` is Ray's name of it."""

    key: str
    name: str
    cpus: int
    gpus: int


@dataclass(frozen=True)
class Address:
    """Where a cluster is: "auto", host:port, or `LOCAL`; and what said so, for messages."""

    where: str
    said: str


class _WithoutRay:
    """stdout, where Ray's thread tells of every death; that is for data, and we tell it shorter."""

    def __init__(self, stdout: TextIO) -> None:
        self._stdout = stdout

    def write(self, text: str) -> int:
        """Write what others write."""
        if threading.current_thread().name.startswith("ray_"):
            return len(text)
        return self._stdout.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stdout, name)


def cluster_address(asked: str | None) -> Address:
    """What was asked for, or the environment's RAY_ADDRESS, or this machine alone.

    To Ray, "auto" is RAY_ADDRESS where that is set. Without either it would join a cluster that
    happens to run here, of whoever: we never do.
    """
    from_environment = os.environ.get("RAY_ADDRESS")
    if from_environment and asked in (None, "", "auto"):
        return Address(from_environment, f"RAY_ADDRESS={from_environment}")
    where = asked or LOCAL
    return Address(where, f"--address {where}")


@contextmanager
def open_cluster(address: Address) -> Iterator[None]:
    """Connect while the block runs; whatever was started for it ends with it.

    Args:
        address: as `cluster_address` has it.

    Raises:
        MissingExtraError: Ray is not installed.
        CdulEdgeError: nothing answers at the address, or it is a cluster of another version.
    """
    _keep_quiet()
    with extra_imports("ray", "--engine ray"):
        import ray
        import ray.data
    guarded = _check_address(address)
    handler = signal.getsignal(signal.SIGTERM)
    with redirect_stdout(cast(TextIO, _WithoutRay(sys.stdout))):  # it tells of deaths to the end
        try:
            _connect(address, guarded)
            _restore(handler)  # Ray put its own in place
            _quiet_data()
            yield
        finally:
            with suppress(KeyboardInterrupt):  # a second Ctrl-C must not leave processes behind
                ray.shutdown()


def list_nodes() -> list[Node]:
    """The machines that are alive now."""
    import ray

    nodes = cast(Callable[[], list[Mapping[str, Any]]], ray.nodes)()  # it has no types
    found = []
    for node in nodes:
        if node["Alive"]:
            has = node["Resources"]
            cpus, gpus = int(has.get("CPU", 0)), int(has.get("GPU", 0))
            found.append(Node(node["NodeID"], node["NodeManagerHostname"], cpus, gpus))
    return found


def _check_address(address: Address) -> bool:
    """Refuse at once what Ray would wait for minutes for, or fail at with a traceback.

    Returns:
        Whether the cluster is one that asks for a token, which Ray may have for it.
    """
    if address.where == LOCAL:
        return False
    if address.where.startswith(CLIENT):
        raise CdulEdgeError(
            f"{address.said}: Ray Data does not run through Ray's client: run the command on a "
            "machine of the cluster with --address auto and no RAY_ADDRESS, or submit it with `ray "
            "job submit`"
        )
    if address.where != "auto":
        host, colon, port = address.where.rpartition(":")
        if not (host and colon and port.isdecimal()):
            raise CdulEdgeError(f"{address.said}: expected auto, or host:port of a cluster")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S).close()
        except (OSError, OverflowError, UnicodeError) as error:
            raise CdulEdgeError(_no_answer(address, str(error))) from error
    return _check_health(address)


def _check_health(address: Address) -> bool:
    """`ray health-check` in a process of its own: in ours, a stranger's answer ends in a hang."""
    named = () if address.where == "auto" else ("--address", address.where)
    code = "import sys; from ray.scripts.scripts import cli; sys.exit(cli(sys.argv[1:]))"
    command = child_command(code, "health-check", *named)
    try:
        done = subprocess.run(
            command, env=child_environment(), capture_output=True, timeout=HEALTH_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise CdulEdgeError(_no_answer(address, f"nothing in {HEALTH_S:.0f} s")) from error
    if done.returncode and _asks_for_token(done.stdout + done.stderr):
        if address.where != "auto":
            raise CdulEdgeError(_no_token(address))
        return True  # Ray gives its token to a cluster that it finds here, but not in this check
    if done.returncode:
        raise CdulEdgeError(_no_answer(address, "it is not healthy, or none was started"))
    return False


def _connect(address: Address, guarded: bool) -> None:
    import ray
    from ray.exceptions import RayError

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address.where == LOCAL:
        options |= {
            "num_cpus": usable_cores(),
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
        }
    try:
        with _stderr_aside():  # where it says which log level it was told
            ray.init(address=address.where, **options)
    except (RuntimeError, ConnectionError, ValueError, OSError, RayError) as error:
        reason = " ".join(str(error).split())
        refused = guarded and isinstance(error, ConnectionError)  # with a token that is not its own
        if refused or _asks_for_token(reason.encode()):
            raise CdulEdgeError(_no_token(address)) from error
        if "mismatch" in reason:
            raise CdulEdgeError(
                f"{address.said}: the cluster has another Ray or Python: {reason}: install the "
                "same versions on every machine"
            ) from error
        raise CdulEdgeError(f"Ray does not start ({address.where}): {reason}") from error


def _asks_for_token(answer: bytes) -> bool:
    """A run on one machine makes a token, after which `ray start --head` asks for it."""
    return b"InvalidAuthToken" in answer or b"uthentication token" in answer


def _no_token(address: Address) -> str:
    return (
        f"{address.said}: the Ray cluster asks for a token: set RAY_AUTH_MODE=token here and "
        "for every `ray start`, and copy the head's ~/.ray/auth_token to each machine, or start "
        "all with RAY_AUTH_MODE=disabled"
    )


def _no_answer(address: Address, reason: str) -> str:
    if address.where == "auto":
        return (
            f"{address.said}: no Ray cluster runs on this machine ({reason}): start one with `ray "
            "start --head`, give host:port, or leave it out to use this machine alone"
        )
    return (
        f"{address.said}: no Ray cluster answers ({reason}): give the host and port that "
        "`ray start --head` printed, or leave it out to use this machine alone"
    )


def _keep_quiet() -> None:
    """What Ray reads when it is imported or started; what users set themselves stays."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # what is left of a run starts no cluster
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")


def _quiet_data() -> None:
    """Ray Data draws no bars, and what it says goes to its own log files."""
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for handler in list(logging.getLogger("ray.data").handlers):
        if isinstance(handler, logging.StreamHandler):
            handler.setLevel(logging.CRITICAL + 1)


@contextmanager
def _stderr_aside() -> Iterator[None]:
    """Drop what is written to stderr, native code's lines too."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _restore(handler: object) -> None:
    with suppress(ValueError):  # not in the main thread, where Ray set none either
        signal.signal(signal.SIGTERM, cast(Any, handler))

"""Machines of a Ray cluster that can be killed: Ray's own test cluster, in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import cdul_edge  # noqa: F401 - `child_command` looks where it lies
from cdul_edge_runtime.host.child_python import child_command, child_environment

_SERVE = """
import sys
from benchmarks.scale.machines import serve
serve(int(sys.argv[1]), sys.stdin)
"""


class Machines:
    """A head without CPUs, and machines with one each; real raylets, all on this machine."""

    def __init__(self, count: int) -> None:
        self._process = subprocess.Popen(
            child_command(_SERVE, str(count)),
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.address = self._answer()

    def kill(self, number: int) -> None:
        """Kill a machine with all that runs on it; another takes its place."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        self._answer()

    def actors(self) -> list[int]:
        """Processes on these machines, and on no other cluster's, that make parts."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if b"MapWorker(MapBatches(PartActor))" in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return [one for one in found if self._process.pid in _ancestors(one)]

    def close(self) -> None:
        """End all of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("answer "):
                return line.split()[1]
        raise RuntimeError(f"Ray's test cluster ended with exit code {self._process.wait()}")


def _ancestors(process: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        while process > 1:
            status = Path(f"/proc/{process}/stat").read_text()
            process = int(status.rpartition(")")[2].split()[1])
            found.append(process)
    return found


def serve(count: int, numbers: Any) -> None:
    """The child's end: kill the machines whose numbers come, until nobody sends any more."""
    from ray.cluster_utils import Cluster

    Path("/tmp/ray").mkdir(exist_ok=True)  # Ray writes its address there, and does not make it
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    machine: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    machines = [cluster.add_node(**machine) for _ in range(count)]
    print("answer", cluster.address, flush=True)
    try:
        for line in numbers:
            gone = machines.pop(int(line) % len(machines))
            cluster.remove_node(gone, allow_graceful=False)
            machines.append(cluster.add_node(**machine))
            print("answer", "killed", flush=True)
    finally:
        cast(Callable[[], None], cluster.shutdown)()
        sys.stdout.close()

"""What a run does while no part comes: it says that actors start, or that no machine is left."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

from cdul_edge.labelling.engines.ray_cluster import list_nodes
from cdul_edge.labelling.engines.ray_pool import Pool
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console

# No first part, or nobody at work, for so long: say so; with nobody at work, at last give up.
TELL_S = 30.0
GIVE_UP_S = 600.0


@dataclass
class IdleWatch:
    """Tells why nothing comes, and ends a run for which no machine is left."""

    pool: Pool
    console: Console

    def __post_init__(self) -> None:
        self.reset()
        self._starting_since: float | None = monotonic()

    def reset(self) -> None:
        """An answer came."""
        self._idle_since: float | None = None
        self._starting_since = None
        self._told = monotonic()

    def look(self) -> None:
        """Call about every second while no answer comes.

        Raises:
            CdulEdgeError: no machine could run an actor for ten minutes.
        """
        now = monotonic()
        if any(self.pool.fits(node) for node in list_nodes()):
            self._idle_since = None
            if self._starting_since is not None and now - self._told > TELL_S:
                self._told = now
                self.console.say(
                    f"actors load CLIP and make first parts ({now - self._starting_since:.0f} s)"
                )
            return
        self._idle_since = self._idle_since or now
        waited = now - self._idle_since
        what = f"no machine of the cluster has the {self.pool.cpus} CPUs" + (
            " and the GPU of an actor" if self.pool.gpus else " of an actor"
        )
        if waited > GIVE_UP_S:
            raise CdulEdgeError(
                f"{what}, for {GIVE_UP_S / 60:.0f} minutes now: finished parts are kept; start "
                "machines, and run the same command again"
            )
        if now - self._told > TELL_S:
            self._told = now
            self.console.warn(f"{what}: waiting for one ({waited:.0f} s)")

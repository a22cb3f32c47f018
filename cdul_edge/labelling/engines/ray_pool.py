"""How many actors share a cluster, and how much of a machine each gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cdul_edge.labelling.engines.ray_cluster import Node
from cdul_edge_runtime.errors import CdulEdgeError

# Beyond so many threads one CLIP gains little, and two side by side gain all.
MOST_CPUS = 8


@dataclass(frozen=True)
class Pool:
    """Actors that are all alike.

    Attributes:
        actors: how many.
        cpus: of each; it has as many threads.
        gpus: of each.
    """

    actors: int
    cpus: int
    gpus: int = 0

    def __str__(self) -> str:
        gpu = " and a GPU" if self.gpus else ""
        return f"{self.actors} of {self.cpus} CPU{'s' if self.cpus > 1 else ''}{gpu}"

    def fits(self, node: Node) -> bool:
        """Whether a machine, free of other work, could run one of the actors."""
        return node.cpus >= self.cpus and node.gpus >= self.gpus


def share_cluster(
    nodes: Sequence[Node], *, actors: int | None, threads: int | None, on_gpus: bool
) -> Pool:
    """An actor for each GPU, or for up to 8 CPUs of a machine.

    Args:
        nodes: the machines.
        actors: how many were asked for; None takes all that fit.
        threads: of each actor; None shares a machine's CPUs.
        on_gpus: whether each needs a GPU.

    Raises:
        CdulEdgeError: no machine could run one.
    """
    able = [node for node in nodes if node.cpus and (node.gpus or not on_gpus)]
    if not able:
        what = "a GPU" if on_gpus else "CPUs for Ray"
        raise CdulEdgeError(
            f"no machine of the cluster has {what}: start one with `ray start --address=...`"
            + (", or give --device cpu" if on_gpus else "")
        )
    if threads is not None:
        cpus = threads
    elif on_gpus:
        cpus = max(1, min(node.cpus // node.gpus for node in able))
    else:
        cpus = min(MOST_CPUS, min(node.cpus for node in able))
        if actors is not None:
            # more actors than that: each gets less of its machine
            while cpus > 1 and sum(node.cpus // cpus for node in able) < actors:
                cpus -= 1
    shares = [min(node.cpus // cpus, node.gpus if on_gpus else node.cpus) for node in able]
    most = sum(shares)
    if most == 0:
        raise CdulEdgeError(
            f"--threads {threads}: no machine of the cluster has so many CPUs (the largest has "
            f"{max(node.cpus for node in able)}): give fewer"
        )
    return Pool(min(actors or most, most), cpus, int(on_gpus))

"""Who is at which part: a small actor beside the driver that outlives those that make parts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from cdul_edge.labelling.engines.ray_cluster import list_nodes

# So many actors of one part that end without a word are no accident.
MOST_DEATHS = 3


@dataclass(frozen=True)
class Start:
    """A part that an actor is at.

    Attributes:
        node: Ray's identifier of the machine.
        where: its name, and the process.
    """

    node: str
    where: str


class Starts:
    """Counts how often an actor ended in the middle of a part.

    Ray starts an actor that died again, for ever: whoever begins a part says so here before, and
    when it is done, so that a part which kills every actor is known.
    """

    def __init__(self) -> None:
        self._deaths: dict[int, int] = defaultdict(int)
        self._at: dict[int, Start] = {}

    def begin(self, part: int, node: str, where: str) -> tuple[bool, str | None]:
        """Begin a part, unless it ended too many actors.

        An actor that went down with its whole machine does not count.

        Returns:
            Whether to make it, and where the last actor that was at it ended, if one did.
        """
        before = self._at.get(part)
        if before is not None and before.node in {node.key for node in list_nodes()}:
            self._deaths[part] += 1
            if self._deaths[part] >= MOST_DEATHS:
                return False, before.where
        self._at[part] = Start(node, where)
        return True, None if before is None else before.where

    def end(self, part: int) -> None:
        """It is done, or failed with an error of its own."""
        self._at.pop(part, None)

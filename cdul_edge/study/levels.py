"""Levels of observed labels by name: how many people gave, and what stands beside them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cdul_edge.study.variants import NOTHING_OBSERVED
from cdul_edge.training.config import LabelsFrom
from cdul_edge.training.data.observed import parse_simulation
from cdul_edge.training.request import ObservedOptions

# In front of a level: the pseudo-labels are left out, as in the papers on weak labels.
_ALONE = "only-"


class Level(NamedTuple):
    """What is drawn from the truth, as `--simulate` names it (None is nothing), and its company."""

    simulate: str | None
    labels_from: LabelsFrom = "observed+pseudo"

    def options(self, truth: Path) -> ObservedOptions:
        """What a training run is asked for."""
        if self.simulate is None:
            return ObservedOptions()
        return ObservedOptions(simulate=self.simulate, truth=truth, labels_from=self.labels_from)


def parse_level(name: str) -> Level:
    """Read `none`, a kind of `--simulate` such as `10%`, or `only-10%` without pseudo-labels.

    Raises:
        CdulEdgeError: another name.
    """
    if name == NOTHING_OBSERVED:
        return Level(None)
    simulate = name.removeprefix(_ALONE)
    parse_simulation(simulate)
    return Level(simulate, "observed+pseudo" if simulate == name else "observed")

"""Labels that people gave: from files, or drawn from truth to study how few suffice.

Both give (N, C) int8 in the order of the pseudo-labels: 1 present, -1 absent, 0 unknown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cdul_edge.labels.observed import Observed, read_observed
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.request import ObservedOptions
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.truth import read_truth


@dataclass(frozen=True)
class ObservedLabels:
    """Labels that people gave.

    Attributes:
        values: (N, C) 1 present, -1 absent, 0 unknown, in the order of the pseudo-labels.
        origin: Where they come from, in words.
        alone: No pseudo-label stands beside them.
    """

    values: Observed
    origin: str
    alone: bool = False

    @property
    def source(self) -> str:
        """Where they come from, and how many they are."""
        present, absent = int((self.values > 0).sum()), int((self.values < 0).sum())
        rest = ", without pseudo-labels" if self.alone else ""
        counts = f"{present} present, {absent} absent, of {self.values.size} labels"
        return f"{self.origin}: {counts}{rest}"

    def take(self, rows: npt.NDArray[np.intp]) -> ObservedLabels:
        """Those of some of the pictures.

        Raises:
            CdulEdgeError: nothing is known of them.
        """
        values = self.values[rows]
        if not values.any():
            raise CdulEdgeError(
                f"{self.origin}: nothing is known of the {len(rows)} picture(s) that are learned "
                "from: give labels of these, or other pictures"
            )
        return replace(self, values=values)


def open_observed(
    options: ObservedOptions, labels: PseudoLabels, *, seed: int
) -> ObservedLabels | None:
    """Read or draw the observed labels of these pseudo-labels; None where none are asked for.

    Raises:
        CdulEdgeError: as `read_observed`, `read_truth` and `simulate`.
    """
    if options.files:
        observed = read_observed(options.files, labels.paths, labels.classes, labels.root)
        origin = " and ".join(map(str, options.files))
    elif options.simulate is not None and options.truth is not None:
        table = read_truth(options.truth, difficult=options.difficult)
        truth = table.for_paths(labels.paths, labels.classes, labels.local_root)
        observed = simulate(truth, options.simulate, seed=seed, paths=labels.paths)
        origin = f"{options.simulate} of {options.truth}, simulated with seed {seed}"
    else:
        return None
    return ObservedLabels(observed, origin, alone=options.labels_from == "observed")


class Simulation(NamedTuple):
    """What is drawn from truth: one positive of so many pictures, or a share of something."""

    what: Literal["one positive", "entries", "positives", "pictures"]
    share: float


_KINDS: dict[str, Literal["one positive", "entries", "positives", "pictures"]] = {
    "single-positive": "one positive",
    "known": "entries",
    "positives": "positives",
    "pictures": "pictures",
}


def parse_simulation(text: str) -> Simulation:
    """Read a kind as `simulate` describes them; `10%` and `0.1` are `known=10%`.

    Raises:
        CdulEdgeError: another kind, or a share outside (0, 1].
    """
    if text == "single-positive":
        return Simulation("one positive", 1.0)
    name, equals, amount = text.rpartition("=")
    try:
        share = float(amount.removesuffix("%")) / (100.0 if amount.endswith("%") else 1.0)
    except ValueError:
        share = 0.0
    what = _KINDS.get(name if equals else "known")
    if what is None or not 0 < share <= 1:
        raise CdulEdgeError(
            f"--simulate {text!r}: expected single-positive, a share of all labels such as 10% or "
            "known=10%, positives=30%, pictures=10%, or single-positive=50%"
        )
    return Simulation(what, share)


def simulate(truth: Observed, kind: str, *, seed: int, paths: Sequence[str]) -> Observed:
    """Reveal a part of the truth, as studies of weak supervision do.

    * `single-positive`: one of each picture's positives, each as likely (Cole et al., CVPR 2021;
      EM, LL, VLPL); nothing of a picture without any, which stays in the set.
    * `single-positive=50%`: the same of so many pictures, each as likely; nothing of the others
      (PLMCL, G2NetPL).
    * `known=10%`, `10%`, `0.1`: each known entry, positive or negative, independently (partial-bce,
      the "known label proportion" of partial-label papers).
    * `positives=30%`: each positive independently; no negative (PU-MLC, which drops the negatives
      of `known=30%`: the positives are the same).
    * `pictures=10%`: all that is known of so many pictures, each as likely, and nothing of others.

    The draws of a picture depend on seed and path alone, so that neither the order of the pictures
    nor leaving some out changes what is seen of the others; a larger share shows what a smaller one
    does, and more.

    Args:
        truth: (N, C) 1 present, 0 absent, -1 unknown.
        kind: as `parse_simulation` reads it.
        paths: N names of the pictures, unique.

    Returns:
        (N, C) 1, -1, or 0 for what is not revealed.

    Raises:
        CdulEdgeError: another kind, or nothing revealed.
    """
    what, share = parse_simulation(kind)
    draws = np.stack([_draw(seed, path, truth.shape[1]) for path in paths])
    # A draw of the picture's own; no path holds a line break.
    chosen = np.array([_draw(seed, f"{path}\npicture", 1) for path in paths]) < share
    if what == "one positive":
        best = np.where(truth == 1, draws, -1.0).argmax(axis=1)
        shown = (np.arange(truth.shape[1]) == best[:, None]) & (truth == 1) & chosen
    elif what == "pictures":
        shown = (truth >= 0) & chosen
    else:
        shown = (draws < share) & (truth == 1 if what == "positives" else truth >= 0)
    observed = np.where(shown, np.where(truth == 1, 1, -1), 0).astype(np.int8)
    if not observed.any():
        raise CdulEdgeError(f"--simulate {kind} reveals nothing of this truth: ask for more of it")
    return observed


def _draw(seed: int, path: str, count: int) -> npt.NDArray[np.float64]:
    """(count,) uniform numbers in [0, 1) that depend on seed and path alone."""
    drawn = hashlib.shake_256(f"{seed}\n{path}".encode()).digest(8 * count)
    # The upper 53 bits: as many as a float64 holds.
    uniform: npt.NDArray[np.float64] = (np.frombuffer(drawn, "<u8") >> np.uint64(11)) * 2.0**-53
    return uniform

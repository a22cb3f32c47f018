"""Pictures whose snippets say something else than the whole, from the store of similarities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cdul_edge.labelling.arrays import softmax
from cdul_edge.labelling.store.reader import StoreReader
from cdul_edge.labels.manifest import StoreFacts, read_manifest
from cdul_edge.reporting.best import Best
from cdul_edge_runtime.errors import LabelsError
from cdul_edge_runtime.host.console import Console

_NO_STORE = "Contested images are not shown: the similarities are not in this folder."
_TOO_WARM = (
    "Contested images are not shown: the similarities were made with the temperature {:.2g}, at "
    "which all classes look alike."
)
_MOST_WARM = 10.0  # times the model's own temperature
_NO_SNIPPETS = "Contested images are not shown: these labels were made without snippets."


@dataclass(frozen=True)
class Contest:
    """One picture and class: softmax over the classes of the whole, and of the best snippet."""

    path: str
    whole: float
    snippets: float


@dataclass(frozen=True)
class Contested:
    """For each class the pictures where both are furthest apart, or why there are none."""

    by_class: tuple[tuple[Contest, ...], ...]
    why_none: str | None = None

    @property
    def paths(self) -> list[str]:
        """Of all of them."""
        return [one.path for several in self.by_class for one in several]


def find_contested(
    labels: Path, columns: Sequence[int], examples: int, console: Console
) -> Contested:
    """Read the store part by part.

    Args:
        labels: a labels folder, or a file of labels, which has no store.
        columns: which classes.
        examples: how many of each class.
        console: progress.

    Raises:
        LabelsError: a damaged part.
    """
    none = ((),) * len(columns)
    manifest = read_manifest(labels) if labels.is_dir() else None
    if manifest is None or not (labels / "similarities").is_dir():
        return Contested(none, _NO_STORE)
    facts = manifest.similarities
    if facts.kind != "snippets" or facts.views < 2 or facts.parts < 1:
        return Contested(none, _NO_SNIPPETS)
    if (facts.cached_temperature or 0.0) > _MOST_WARM * facts.model_temperature:
        return Contested(none, _TOO_WARM.format(facts.cached_temperature))
    store, best = StoreReader(labels, facts.parts), Best(examples, len(columns))
    names: dict[int, str] = {}
    both: dict[int, npt.NDArray[np.float32]] = {}
    start = 0
    with console.progress("comparing snippets", facts.parts, unit="parts") as advance:
        for part in map(store.cosines, range(facts.parts)):
            if part.values.shape[1:] != (facts.views, len(manifest.classes)):
                raise LabelsError(f"the similarities in {labels} are of other classes: label again")
            shares = _shares(part.values, facts)[:, :, columns]
            pair = np.stack([shares[:, 0], shares[:, 1:].max(axis=1)])
            best.add(np.abs(pair[1] - pair[0]), start)
            end = start + len(part.values)
            kept = set(best.rows.ravel().tolist())
            for row in kept.intersection(range(start, end)):
                names[row], both[row] = part.labelled[row - start], pair[:, row - start].copy()
            for row in names.keys() - kept:
                del names[row], both[row]
            start = end
            advance(1)
    return Contested(
        tuple(
            tuple(_contest(names[row], both[row][:, c]) for row, _ in best.of(c))
            for c in range(len(columns))
        )
    )


def _contest(path: str, both: npt.NDArray[np.float32]) -> Contest:
    return Contest(path, float(both[0]), float(both[1]))


def _shares(cosines: npt.NDArray[np.float32], facts: StoreFacts) -> npt.NDArray[np.float32]:
    """(M, V, C): each view's softmax over the classes, at the model's own temperature."""
    if facts.cached_temperature is None:
        shares = softmax(cosines, facts.model_temperature, np.float32)
    else:  # imported softmax values p are kept as t ln(C p), and extremes are no one snippet's
        shares = np.exp(cosines / facts.cached_temperature) / cosines.shape[-1]
    return np.asarray(shares, np.float32)

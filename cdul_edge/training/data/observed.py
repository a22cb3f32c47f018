"""Labels that people gave: from a file, or drawn from truth to study how few suffice.

Both give (N, C) int8 in the order of the pseudo-labels: 1 present, -1 absent, 0 unknown.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.request import ObservedOptions
from cdul_edge_runtime.bundle.classes import ClassList, fold_class
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.matching import find_rows
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.metrics.truth_csv import read_csv
from cdul_edge_runtime.metrics.truth_formats import RawTruth, read_npz

Observed = npt.NDArray[np.int8]

_NOTHING = "nothing is known in it: drop the option, or give some labels"


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
    if options.file is not None:
        observed = read_observed(options.file, labels.paths, labels.classes)
        origin = str(options.file)
    elif options.simulate is not None and options.truth is not None:
        table = read_truth(options.truth, difficult=options.difficult)
        truth = table.for_paths(labels.paths, labels.classes, labels.local_root)
        observed = simulate(truth, options.simulate, seed=seed, paths=labels.paths)
        origin = f"{options.simulate} of {options.truth}, simulated with seed {seed}"
    else:
        return None
    return ObservedLabels(observed, origin, alone=options.labels_from == "observed")


def read_observed(file: Path, labels_paths: Sequence[str], classes: ClassList) -> Observed:
    """Read known labels, in one of three forms.

    * CSV multi-hot: `image_path,<class>,<class>…` with 1, 0, and -1 or nothing for unknown; a class
      without a column is unknown;
    * NPZ with the arrays `names`, `classes`, `labels`, of the same values;
    * CSV `image_path,label`: names joined by commas, `dog` for one that is there and `-dog` for one
      that is not; what is not named is unknown. A picture may have several rows.

    Pictures and classes are matched as truth is: by path, else file name, else stem; whatever the
    names' case, spaces and hyphens.

    Args:
        labels_paths: N paths of the pseudo-labels.
        classes: of the C columns.

    Returns:
        (N, C) 1, -1, or 0.

    Raises:
        CdulEdgeError: no such file or another format, pictures that are not labeled, unknown
            classes, a label both ways, or nothing known at all.
    """
    raw = _read(file)
    columns, values = _signed(raw, classes, file)
    rows = _rows(raw.paths, labels_paths, file)
    seen = np.zeros((2, len(labels_paths), len(classes)), dtype=np.bool_)
    for layer, sign in enumerate((1, -1)):
        pictures, names = np.nonzero(values == sign)
        seen[layer, rows[pictures], columns[names]] = True
    both = np.argwhere(seen[0] & seen[1])
    if len(both):
        row, column = both[0]
        raise CdulEdgeError(
            f"{file} contradicts itself on {len(both)} label(s): {classes.names[column]!r} is both "
            f"there and not there in {labels_paths[row]!r}: keep one of the two"
        )
    observed: Observed = seen[0].astype(np.int8) - seen[1].astype(np.int8)
    if not observed.any():
        raise CdulEdgeError(f"{file}: {_NOTHING}")
    return observed


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


def _read(file: Path) -> RawTruth:
    readers: dict[str, Callable[[Path], RawTruth]] = {".csv": read_csv, ".npz": read_npz}
    if not file.is_file():
        raise CdulEdgeError(f"the observed labels {file} are not a file: check the path")
    if file.suffix.lower() not in readers:
        raise CdulEdgeError(f"{file} holds no observed labels: expected .csv or .npz")
    raw = readers[file.suffix.lower()](file)
    if raw.labels.shape != (len(raw.paths), len(raw.classes)):
        raise CdulEdgeError(
            f"{file}: {len(raw.paths)} names and {len(raw.classes)} classes do not fit labels "
            f"{raw.labels.shape}"
        )
    return raw


def _signed(
    raw: RawTruth, classes: ClassList, file: Path
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int8]]:
    """(K,) our column of each of the file's columns, and (M, K) values 1, -1, 0 of its rows."""
    names = raw.classes
    if raw.names_present_only:  # a class's own name may begin with a hyphen, too
        absent = [name.startswith("-") and name not in classes.names for name in names]
        names = tuple(name[minus:] for name, minus in zip(names, absent, strict=True))
        values = np.where(absent, -raw.labels, raw.labels)
    else:
        values = np.where(raw.labels < 0, 0, 2 * raw.labels - 1).astype(np.int8)
    where = {fold_class(name): column for column, name in enumerate(classes)}
    unknown = sorted({name for name in names if fold_class(name) not in where})
    if unknown:
        near = difflib.get_close_matches(unknown[0], classes.names, 3, 0.5) or classes.names[:8]
        raise CdulEdgeError(
            f"{file} names {', '.join(map(repr, unknown[:3]))}, which "
            f"{'is no class' if len(unknown) == 1 else 'are no classes'} of the labels: their "
            f"{len(classes)} classes include {', '.join(near)}"
        )
    return np.array([where[fold_class(name)] for name in names], dtype=np.intp), values


def _rows(pictures: Sequence[str], labels_paths: Sequence[str], file: Path) -> npt.NDArray[np.intp]:
    """(M,) the row of the pseudo-labels for each of the file's."""
    unique = list(dict.fromkeys(pictures))
    try:
        matches = find_rows(labels_paths, unique, whose="the label file")
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{file}: {error}") from error
    if not matches.found.all():
        unknown = [path for path, known in zip(unique, matches.found, strict=True) if not known]
        raise CdulEdgeError(
            f"{file} names {len(unknown)} picture(s) that are not among the {len(labels_paths)} "
            f"labeled ones (such as {unknown[0]!r}): take them out, or label them"
        )
    row = dict(zip(unique, matches.rows, strict=True))
    return np.array([row[path] for path in pictures], dtype=np.intp)


def _draw(seed: int, path: str, count: int) -> npt.NDArray[np.float64]:
    """(count,) uniform numbers in [0, 1) that depend on seed and path alone."""
    drawn = hashlib.shake_256(f"{seed}\n{path}".encode()).digest(8 * count)
    # The upper 53 bits: as many as a float64 holds.
    uniform: npt.NDArray[np.float64] = (np.frombuffer(drawn, "<u8") >> np.uint64(11)) * 2.0**-53
    return uniform

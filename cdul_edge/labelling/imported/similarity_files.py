"""Reading CLIP outputs that someone else computed: which arrays are there, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from cdul_edge.labelling.imported.similarity_columns import (
    BEST,
    CLASSES,
    PATHS,
    SNIPPETS,
    TEMPERATURE,
    WHOLE,
    WORST,
    Array,
    SimilarityColumns,
    open_columns,
)
from cdul_edge.labelling.score.aggregation import MAX_TEMPERATURE
from cdul_edge.labels.settings import Snippets
from cdul_edge.storage.location import Location
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError

Floats = npt.NDArray[np.float32]
Kind = Literal["cosines", "softmax"]

# Released CLIP models multiply cosines by exp(logit_scale) = 100; no temperature at all; and
# dividing by logit_scale = ln 100 itself, the mistake of a published reproduction.
KNOWN_TEMPERATURES = (0.01, 1.0, math.log(100))
# Standard deviation over the classes of CLIP's cosines for one picture: 0.024 (RN50x64, VOC).
PLAUSIBLE_SPREAD = (0.01, 0.06)
RELEASED_TEMPERATURE = 0.01
# The temperature is told from the spreads of so many pictures, the first of the file.
SPREADS = 1 << 20

_BLOCK = 256  # rows of an array that are looked at together


@dataclass(frozen=True)
class _Views:
    """Where the views are: the arrays of the whole picture and of its snippets, in that order.

    Attributes:
        columns: the file.
        keys: names of the arrays.
        kind: what their values are.
        snippets: what the arrays after the first hold.
        shape: (N, V, C).
    """

    columns: SimilarityColumns
    keys: tuple[str, ...]
    kind: Kind
    snippets: Snippets
    shape: tuple[int, int, int]

    def blocks(self) -> Iterator[Floats]:
        """(M, V, C) values as they stand in the file."""
        for block in self.columns.blocks(self.keys, _BLOCK):
            arrays = (block[key].astype(np.float32) for key in self.keys)
            yield np.concatenate([a if a.ndim == 3 else a[:, None] for a in arrays], axis=1)


@dataclass(frozen=True)
class Similarities:
    """CLIP outputs of N pictures; the values stay in the file.

    Attributes:
        paths: N names or paths as the file gives them.
        classes: of the C columns.
        views: V, rows of a picture.
        snippets: "all" for every snippet's row; "extremes" for two rows: each class's best and
            worst snippet.
        cached_temperature: that the softmax values were made with; None for cosines.
        detected: whether that temperature was inferred from the values' spread.
        model_temperature: that CLIP itself uses.
    """

    paths: tuple[str, ...]
    classes: ClassList
    views: int
    snippets: Snippets
    cached_temperature: float | None
    detected: bool
    model_temperature: float
    _values: _Views

    def parts(self, pictures: int) -> Iterator[Floats]:
        """Read the values: (M, V, C) float32, M = `pictures` but for the last part.

        Row 0 of a picture is the whole of it. From softmax values p at temperature t come
        t ln(C p): cosines up to a constant a view, which no softmax notices.

        Raises:
            CdulEdgeError: the file was damaged since it was opened.
        """
        part: Floats = np.empty((pictures, self.views, len(self.classes)), np.float32)
        filled = 0
        for block in self._values.blocks():
            cosines = block
            if self.cached_temperature is not None:
                cosines = _undo_softmax(block, self.cached_temperature)
            while len(cosines):
                taken = min(pictures - filled, len(cosines))
                part[filled : filled + taken] = cosines[:taken]
                filled, cosines = filled + taken, cosines[taken:]
                if filled == pictures:
                    yield part
                    part, filled = np.empty_like(part), 0
        if filled:
            yield part[:filled]


def read_similarities(path: Location, made_with: float | None = None) -> Similarities:
    """Examine an NPZ or Parquet file, which is read as a stream, once an array.

    Its arrays or columns are called `paths` (or `names`), `classes`, `global` (N, C), and `local`
    (N, R, C) or `local_max` and `local_min` (N, C); `_cosines` or `_softmax` at the end of a name
    tells the kind, else the values do; `temperature` is optional. Nothing else is read.

    Args:
        path: the file.
        made_with: temperature of the softmax values; None takes the file's, or detects it.

    Raises:
        CdulEdgeError: an array is missing, of another shape, or of unknown meaning.
    """
    columns = open_columns(path)
    paths = tuple(_pick(columns, PATHS, path).tolist())
    classes = ClassList(tuple(_pick(columns, CLASSES, path).tolist()))
    if not paths:
        raise CdulEdgeError(f"{path} names no picture: nothing can be labeled")
    views = _open_views(columns, path)
    if views.shape[::2] != (len(paths), len(classes)):
        raise CdulEdgeError(
            f"{path} holds values {views.shape} (pictures, views, classes) for {len(paths)} paths "
            f"and {len(classes)} classes"
        )
    given = made_with if made_with is not None else _scalar(columns.small, path)
    if given is not None and not (math.isfinite(given) and given > 0):
        raise CdulEdgeError(f"{path}: the temperature {given} of its values is not above 0")
    cached: float | None = None
    model = given or RELEASED_TEMPERATURE
    if views.kind == "softmax":
        cached = given or _detect_temperature(columns, views.keys[0], path)
        model = _model_temperature(cached)
    return Similarities(
        paths=paths,
        classes=classes,
        views=views.shape[1],
        snippets=views.snippets,
        cached_temperature=cached,
        detected=cached is not None and given is None,
        model_temperature=model,
        _values=views,
    )


def _model_temperature(temperature: float) -> float:
    """CLIP's own, where values were made at another that no CLIP has."""
    if temperature > 1:
        # what divided by logit_scale should have been divided by 1 / exp(logit_scale)
        return math.exp(-temperature)
    # no division at all tells nothing of the model
    return RELEASED_TEMPERATURE if temperature > MAX_TEMPERATURE else temperature


def _open_views(columns: SimilarityColumns, file: Location) -> _Views:
    """Which arrays hold the views, and what they mean."""
    whole = _examine(columns, WHOLE, file)
    rows = [
        _examine(columns, name, file)
        for name in (SNIPPETS, BEST, WORST)
        if _key(columns.names, name)
    ]
    if any(found.kind != whole.kind for found in rows):
        raise CdulEdgeError(f"{file} mixes cosines and softmax values: give one kind")
    by_name = {found.name: found for found in rows}
    if SNIPPETS in by_name:
        used = [whole, by_name[SNIPPETS]]
        views = 1 + by_name[SNIPPETS].shape[1]
    elif {BEST, WORST} <= set(by_name):
        used, views = [whole, by_name[BEST], by_name[WORST]], 3
    else:
        raise CdulEdgeError(f"{file} has no snippets: expected local, or local_max and local_min")
    if len({(found.shape[0], found.shape[-1]) for found in used}) > 1:
        shapes = ", ".join(f"{found.key} {found.shape}" for found in used)
        raise CdulEdgeError(f"{file}: its arrays do not fit one another ({shapes})")
    snippets: Snippets = "all" if SNIPPETS in by_name else "extremes"
    shape = (whole.shape[0], views, whole.shape[1])
    return _Views(columns, tuple(found.key for found in used), whole.kind, snippets, shape)


def _pick(columns: SimilarityColumns, names: tuple[str, ...], path: Location) -> Array:
    for name in names:
        if name in columns.small:
            try:
                return np.ravel(columns.small[name]).astype(str)
            except UnicodeDecodeError as error:
                raise CdulEdgeError(f"{path}: its {name} are not text") from error
    raise CdulEdgeError(f"{path} has no {' or '.join(names)}: it has {', '.join(columns.names)}")


def _key(there: Sequence[str], name: str) -> str | None:
    found = [key for key in (f"{name}_cosines", f"{name}_softmax", name) if key in there]
    return found[0] if found else None


@dataclass(frozen=True)
class _Examined:
    """An array: for what it stands, its name, what its values are, and its shape."""

    name: str
    key: str
    kind: Kind
    shape: tuple[int, ...]


def _examine(columns: SimilarityColumns, name: str, path: Location) -> _Examined:
    """Read an array for what its values are; raises `CdulEdgeError` where they are none of ours."""
    key = _key(columns.names, name)
    if key is None:
        raise CdulEdgeError(f"{path} has no {name}: it has {', '.join(columns.names)}")
    rows, row = 0, (0,)
    least, most, off = np.inf, -np.inf, 0.0
    for block in columns.blocks([key], _BLOCK):
        found = block[key]
        rows, row = rows + len(found), found.shape[1:]
        if found.dtype.kind not in "fiu" or not found.size:
            raise CdulEdgeError(f"{path}: {key} holds {found.size} values of type {found.dtype}")
        if found.ndim != (3 if name == SNIPPETS else 2):
            shape = ", ".join(("N", *map(str, row)))
            raise CdulEdgeError(f"{path}: {key} has the shape ({shape})")
        values = found.astype(np.float32)
        if not np.isfinite(values).all():
            raise CdulEdgeError(f"{path}: {key} holds NaN or infinity")
        least, most = min(least, float(values.min())), max(most, float(values.max()))
        off = max(off, float(np.abs(values.sum(axis=-1) - 1).max()))
    if not rows:
        raise CdulEdgeError(f"{path}: {key} holds no values")
    # best and worst snippets are not one softmax: their rows need not sum to 1
    shares = least >= 0 and most <= 1 and (name in (BEST, WORST) or off < 1e-2)
    if key.endswith("_cosines") or (key == name and not shares):
        if (reach := max(-least, most)) > 1 + 1e-3:
            raise CdulEdgeError(f"{path}: {key} is no cosine: it reaches {reach:g}")
        return _Examined(name, key, "cosines", (rows, *row))
    if not shares:
        raise CdulEdgeError(f"{path}: {key} is no softmax over the classes: rows must sum to 1")
    return _Examined(name, key, "softmax", (rows, *row))


def _scalar(arrays: Mapping[str, Array], path: Location) -> float | None:
    if TEMPERATURE not in arrays:
        return None
    try:
        return float(arrays[TEMPERATURE])
    except (TypeError, ValueError) as error:
        raise CdulEdgeError(f"{path}: its temperature is not one number") from error


def _detect_temperature(columns: SimilarityColumns, key: str, path: Location) -> float:
    """The only known temperature under which the logarithms spread as CLIP's cosines do."""
    spreads: list[npt.NDArray[np.float64]] = []
    for number, block in enumerate(columns.blocks([key], _BLOCK)):
        if number * _BLOCK >= SPREADS:
            break
        whole = block[key].astype(np.float32)
        spreads.append(np.log(np.maximum(whole, 1e-30)).std(axis=1, dtype=np.float64))
    spread = float(np.median(np.concatenate(spreads)))
    low, high = PLAUSIBLE_SPREAD
    fitting = [t for t in KNOWN_TEMPERATURES if low <= t * spread <= high]
    if len(fitting) != 1:
        raise CdulEdgeError(
            f"{path}: the temperature of its softmax values cannot be told from them: give it with "
            "--made-with-temperature"
        )
    return fitting[0]


def _undo_softmax(values: Floats, temperature: float) -> Floats:
    """t ln(C p): small numbers around the uniform level, which float32 keeps exactly enough."""
    shares = np.maximum(values.astype(np.float64), np.finfo(np.float32).tiny)
    cosines: Floats = (temperature * np.log(values.shape[-1] * shares)).astype(np.float32)
    return cosines

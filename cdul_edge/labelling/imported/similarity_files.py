"""Reading CLIP outputs that someone else computed: which arrays are there, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cdul_edge.labelling.score.aggregation import MAX_TEMPERATURE
from cdul_edge.labels.parquet_files import read_column, read_facts, read_schema, read_table
from cdul_edge.labels.settings import Snippets
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.npz import read_npz

Floats = npt.NDArray[np.float32]
Kind = Literal["cosines", "softmax"]
Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]

PATHS = ("path", "paths", "names", "image_path")
CLASSES = ("classes", "class_names")
WHOLE, SNIPPETS, BEST, WORST = "global", "local", "local_max", "local_min"
TEMPERATURE = "temperature"

# Released CLIP models multiply cosines by exp(logit_scale) = 100; no temperature at all; and
# dividing by logit_scale = ln 100 itself, the mistake of a published reproduction.
KNOWN_TEMPERATURES = (0.01, 1.0, math.log(100))
# Standard deviation over the classes of CLIP's cosines for one picture: 0.024 (RN50x64, VOC).
PLAUSIBLE_SPREAD = (0.01, 0.06)
RELEASED_TEMPERATURE = 0.01


@dataclass(frozen=True)
class Similarities:
    """CLIP outputs of N pictures.

    Attributes:
        paths: N names or paths as the file gives them.
        classes: of the C columns.
        cosines: (N, V, C) float32, row 0 the whole picture. From softmax values p at temperature t
            these are t ln(C p): cosines up to a constant a view, which no softmax notices.
        snippets: "all" for every snippet's row; "extremes" for two rows: each class's best and
            worst snippet.
        cached_temperature: that the softmax values were made with; None for cosines.
        detected: whether that temperature was inferred from the values' spread.
        model_temperature: that CLIP itself uses.
    """

    paths: tuple[str, ...]
    classes: ClassList
    cosines: Floats
    snippets: Snippets
    cached_temperature: float | None
    detected: bool
    model_temperature: float


def read_similarities(path: Path, made_with: float | None = None) -> Similarities:
    """Read an NPZ or Parquet file.

    Its arrays or columns are called `paths` (or `names`), `classes`, `global` (N, C), and `local`
    (N, R, C) or `local_max` and `local_min` (N, C); `_cosines` or `_softmax` at the end of a name
    tells the kind, else the values do; `temperature` is optional. Nothing else is read.

    Args:
        path: the file.
        made_with: temperature of the softmax values; None takes the file's, or detects it.

    Raises:
        CdulEdgeError: an array is missing, of another shape, or of unknown meaning.
    """
    arrays = _load(path)
    paths = tuple(_pick(arrays, PATHS, path).tolist())
    classes = ClassList(tuple(_pick(arrays, CLASSES, path).tolist()))
    if not paths:
        raise CdulEdgeError(f"{path} names no picture: nothing can be labeled")
    kind, snippets, views = _stack_views(arrays, path)
    if views.shape[::2] != (len(paths), len(classes)):
        raise CdulEdgeError(
            f"{path} holds values {views.shape} (pictures, views, classes) for {len(paths)} paths "
            f"and {len(classes)} classes"
        )
    given = made_with if made_with is not None else _scalar(arrays, path)
    if given is not None and not (math.isfinite(given) and given > 0):
        raise CdulEdgeError(f"{path}: the temperature {given} of its values is not above 0")
    if kind == "cosines":
        model = given or RELEASED_TEMPERATURE
        return Similarities(paths, classes, views, snippets, None, False, model)
    temperature = given or _detect_temperature(views[:, 0], path)
    return Similarities(
        paths=paths,
        classes=classes,
        cosines=_undo_softmax(views, temperature),
        snippets=snippets,
        cached_temperature=temperature,
        detected=given is None,
        model_temperature=_model_temperature(temperature),
    )


def _model_temperature(temperature: float) -> float:
    """CLIP's own, where values were made at another that no CLIP has."""
    if temperature > 1:
        # what divided by logit_scale should have been divided by 1 / exp(logit_scale)
        return math.exp(-temperature)
    # no division at all tells nothing of the model
    return RELEASED_TEMPERATURE if temperature > MAX_TEMPERATURE else temperature


def _stack_views(arrays: Arrays, path: Path) -> tuple[Kind, Snippets, Floats]:
    kind, whole = _values(arrays, WHOLE, path)
    names = [name for name in (SNIPPETS, BEST, WORST) if _key(arrays, name)]
    rows = {name: _values(arrays, name, path) for name in names}
    if any(found != kind for found, _ in rows.values()):
        raise CdulEdgeError(f"{path} mixes cosines and softmax values: give one kind")
    try:
        if SNIPPETS in rows:
            return kind, "all", np.concatenate([whole[:, None], rows[SNIPPETS][1]], axis=1)
        if {BEST, WORST} <= set(rows):
            return kind, "extremes", np.stack([whole, rows[BEST][1], rows[WORST][1]], axis=1)
    except ValueError as error:
        raise CdulEdgeError(f"{path}: its arrays do not fit one another ({error})") from error
    raise CdulEdgeError(f"{path} has no snippets: expected local, or local_max and local_min")


def _load(path: Path) -> Arrays:
    if not path.is_file():
        raise CdulEdgeError(f"{path} does not exist: check --from-similarities")
    if path.suffix.lower() == ".npz":
        return read_npz(path, wanted=_is_read)
    if path.suffix.lower() == ".parquet":
        return _load_parquet(path)
    raise CdulEdgeError(f"{path}: expected .npz or .parquet similarities")


def _is_read(name: str) -> bool:
    return name in (*PATHS, *CLASSES, TEMPERATURE) or name.startswith((WHOLE, SNIPPETS))


def _load_parquet(path: Path) -> Arrays:
    """Columns as arrays; classes and temperature stand in the schema's metadata."""
    schema = read_schema(path)
    about = read_facts(schema, path)
    names = [n for n in schema.names if n not in (*CLASSES, TEMPERATURE) and _is_read(n)]
    try:
        arrays = {key: np.array(about[key]) for key in (*CLASSES, TEMPERATURE) if key in about}
    except ValueError as error:  # lists of different lengths in one
        raise CdulEdgeError(f"{path} is damaged (its metadata: {error})") from error
    table = read_table(path, names)
    for name in names:
        if name in PATHS:
            arrays[name] = np.array(read_column(table, name, pa.string()).to_pylist(), dtype=str)
            continue
        rows = read_column(table, name, pa.list_(pa.float32()))
        values = _stack_rows(rows, f"{path}, column {name}")
        width = len(np.atleast_1d(arrays.get("classes", ()))) or values.shape[-1]
        whole_rows = name.startswith((WHOLE, BEST, WORST))
        arrays[name] = values if whole_rows else _split_rows(values, width, f"{path}, {name}")
    return arrays


def _stack_rows(rows: pa.Array, name: str) -> Floats:
    """Lists of one length, as (N, length)."""
    lengths = set(rows.value_lengths().to_pylist())
    if len(lengths) != 1 or rows.flatten().null_count:
        raise CdulEdgeError(f"{name} has rows of different lengths, or gaps")
    return np.array(rows.flatten().to_numpy(zero_copy_only=False)).reshape(len(rows), -1)


def _split_rows(values: Floats, width: int, name: str) -> Floats:
    """(N, R * C) to (N, R, C)."""
    if not values.shape[1] or values.shape[1] % width:
        raise CdulEdgeError(f"{name} has rows of {values.shape[1]} values for {width} classes")
    return values.reshape(len(values), -1, width)


def _pick(arrays: Arrays, names: tuple[str, ...], path: Path) -> npt.NDArray[np.str_]:
    for name in names:
        if name in arrays:
            try:
                return np.ravel(arrays[name]).astype(str)
            except UnicodeDecodeError as error:
                raise CdulEdgeError(f"{path}: its {name} are not text") from error
    raise CdulEdgeError(f"{path} has no {' or '.join(names)}: it has {', '.join(arrays)}")


def _key(arrays: Arrays, name: str) -> str | None:
    found = [key for key in (f"{name}_cosines", f"{name}_softmax", name) if key in arrays]
    return found[0] if found else None


def _values(arrays: Arrays, name: str, path: Path) -> tuple[Kind, Floats]:
    key = _key(arrays, name)
    if key is None:
        raise CdulEdgeError(f"{path} has no {name}: it has {', '.join(arrays)}")
    found = np.asarray(arrays[key])
    if found.dtype.kind not in "fiu" or not found.size:
        raise CdulEdgeError(f"{path}: {key} holds {found.size} values of type {found.dtype}")
    values = found.astype(np.float32)
    if values.ndim != (3 if name == SNIPPETS else 2):
        raise CdulEdgeError(f"{path}: {key} has the shape {values.shape}")
    if not np.isfinite(values).all():
        raise CdulEdgeError(f"{path}: {key} holds NaN or infinity")
    # best and worst snippets are not one softmax: their rows need not sum to 1
    shares = values.min() >= 0 and values.max() <= 1
    sums = name in (BEST, WORST) or bool(np.abs(values.sum(axis=-1) - 1).max() < 1e-2)
    if key.endswith("_cosines") or (key == name and not (shares and sums)):
        if np.abs(values).max() > 1 + 1e-3:
            raise CdulEdgeError(f"{path}: {key} is no cosine: it reaches {np.abs(values).max():g}")
        return "cosines", values
    if not (shares and sums):
        raise CdulEdgeError(f"{path}: {key} is no softmax over the classes: rows must sum to 1")
    return "softmax", values


def _scalar(arrays: Arrays, path: Path) -> float | None:
    if TEMPERATURE not in arrays:
        return None
    try:
        return float(arrays[TEMPERATURE])
    except (TypeError, ValueError) as error:
        raise CdulEdgeError(f"{path}: its temperature is not one number") from error


def _detect_temperature(whole: Floats, path: Path) -> float:
    """The only known temperature under which the logarithms spread as CLIP's cosines do."""
    spread = float(np.median(np.log(np.maximum(whole, 1e-30)).std(axis=1, dtype=np.float64)))
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

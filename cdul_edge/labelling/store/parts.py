"""The similarity store: Parquet parts of a fixed number of pictures, each written whole or not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from cdul_edge_runtime.host.files import atomic_write

Floats = npt.NDArray[np.floating[Any]]  # float16 or float32

FOLDER = "similarities"
EMBEDDINGS_FOLDER = "embeddings"
MEND = "run the same `cdul-edge label` command with --repair to label its pictures again"
_KEY = b"cdul_edge"


@dataclass(frozen=True)
class Part:
    """The similarities of some consecutive pictures.

    Attributes:
        paths: P paths, readable or not.
        reasons: P; why a picture could not be read, None for the M that could.
        sizes: (P, 2) int32 width and height in px; 0 where unknown.
        values: (M, V, W) float32, rows of the readable pictures in order; W = C cosines, or the
            D of unit embeddings. Written as float16 if they are, but read as float32.
    """

    paths: tuple[str, ...]
    reasons: tuple[str | None, ...]
    sizes: npt.NDArray[np.int32]
    values: Floats

    def __post_init__(self) -> None:
        count = len(self.paths)
        assert len(self.reasons) == count
        assert self.sizes.shape == (count, 2)
        assert len(self.values) == sum(reason is None for reason in self.reasons)

    @property
    def labelled(self) -> tuple[str, ...]:
        """Paths of the readable pictures: the rows of `values`."""
        return tuple(p for p, r in zip(self.paths, self.reasons, strict=True) if r is None)

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """Path and reason of the others."""
        return tuple((p, r) for p, r in zip(self.paths, self.reasons, strict=True) if r is not None)


def part_name(index: int, folder: str = FOLDER) -> str:
    """Where part `index` lies inside a labels folder."""
    return f"{folder}/part-{index:05d}.parquet"


def slice_parts(count: int, part_pictures: int) -> list[range]:
    """Which pictures belong to which part."""
    starts = range(0, count, part_pictures)
    return [range(start, min(start + part_pictures, count)) for start in starts]


def write_part(path: Path, part: Part, column: str, digest: str) -> None:
    """Write atomically; `digest` identifies the settings that made the values."""
    shape = list(part.values.shape[1:])
    width = int(np.prod(shape))
    about = {"shape": shape, "settings": digest}
    table = pa.table(
        {
            "path": pa.array(part.paths, pa.string()),
            "status": pa.array(["ok" if r is None else "error" for r in part.reasons]),
            "reason": pa.array(part.reasons, pa.string()),
            "width": pa.array(part.sizes[:, 0]),
            "height": pa.array(part.sizes[:, 1]),
            column: _lists(part.values.reshape(-1, width), part.reasons),
        }
    ).replace_schema_metadata({_KEY: json.dumps(about).encode()})
    with atomic_write(path) as temporary:
        # floats do not compress; a dictionary of them would only cost
        pq.write_table(
            table, temporary, compression={"path": "zstd", "reason": "zstd"}, use_dictionary=False
        )


def read_part(path: Path, column: str, paths: Sequence[str] | None = None) -> Part:
    """Read what `write_part` wrote.

    Args:
        path: of the part.
        column: "cosines" or "embeddings".
        paths: what its pictures must be, in order.

    Raises:
        LabelsError: the part is missing, cut, foreign, or about other pictures.
    """
    table = _read_table(path)
    about = _read_about(table.schema, path)
    if column not in table.column_names or len(about["shape"]) != 2:
        raise LabelsError(f"{path} has no column {column}: {MEND}")
    found = tuple(table.column("path").to_pylist())
    if paths is not None and found != tuple(paths):
        raise LabelsError(f"{path} is about other pictures than the list: {MEND}")
    values = table.column(column).combine_chunks().flatten()
    flat = np.array(values.to_numpy(zero_copy_only=False), np.float32)
    sizes = [table.column(name).to_numpy() for name in ("width", "height")]
    return Part(
        paths=found,
        reasons=tuple(table.column("reason").to_pylist()),
        sizes=np.stack(sizes, axis=1).astype(np.int32),
        values=flat.reshape(-1, *about["shape"]),
    )


def part_digest(path: Path) -> str | None:
    """The settings that made a part, from its last bytes; None when there is no such part.

    Raises:
        LabelsError: it is cut or foreign.
    """
    if not path.is_file():
        return None
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    return str(_read_about(schema, path)["settings"])


def _lists(values: Floats, reasons: Sequence[str | None]) -> Any:
    readable = np.array([reason is None for reason in reasons])
    ends = np.cumsum(np.where(readable, values.shape[1], 0))
    if ends[-1] > np.iinfo(np.int32).max:
        raise CdulEdgeError(
            f"a part of {len(reasons)} pictures holds more than 2^31 numbers: give fewer "
            "--part-pictures"
        )
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    lists = pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(values.reshape(-1)), mask=pa.array(~readable)
    )
    return lists


def _read_table(path: Path) -> Any:
    if not path.is_file():
        raise LabelsError(f"{path} is missing: {MEND}")
    try:
        return pq.read_table(path, memory_map=False)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> LabelsError:
    reason = " ".join(str(error).split())[:120]
    return LabelsError(f"{path} is cut or damaged ({reason}): {MEND}")


def _read_about(schema: Any, path: Path) -> dict[str, Any]:
    raw = (schema.metadata or {}).get(_KEY)
    about = json.loads(raw) if raw else {}
    if not {"shape", "settings"} <= set(about):
        raise LabelsError(f"{path} is not a part of cdul-edge's labels: {MEND}")
    found: dict[str, Any] = about
    return found

"""Peak memory and time of what comes after the similarities: their import, and reading labels."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from math import nan
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measured_rows.figures import Measured, at_most, stated
from benchmarks.measured_rows.row import Setting
from cdul_edge.labelling import ImportRequest, Scoring, label
from cdul_edge.labels.label_stream import iterate_labels
from cdul_edge.labels.labels_writer import LabelsWriter
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.host.machine import peak_memory_mib

CLASSES, VIEWS = 80, 10
_BLOCK = 2000  # pictures that are drawn together


def measure_import(setting: Setting) -> Measured:
    """`label --from-similarities` of a Parquet file: 20,000 pictures, 80 classes, 10 views."""
    pictures = 2_000 if setting.quick else 20_000
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "similarities.parquet")
        _write_similarities(file, pictures)
        start = perf_counter()
        scoring = Scoring(strategy="cdul")
        label(ImportRequest(file, Path(scratch, "labels"), scoring=scoring), SilentConsole())
        seconds = perf_counter() - start
    title = f"import of {pictures:,} x {CLASSES} from Parquet"
    return Measured(
        (
            at_most(300.0, "import-peak", f"{title}: peak memory", "MB", peak_memory_mib() or nan),
            stated("import-time", f"{title}: time", "s", seconds),
        ),
        ("the peak is the process's largest resident set, imports and all",),
    )


def measure_reader(setting: Setting) -> Measured:
    """Labels in parts: written, and read in batches."""
    pictures = 10_000 if setting.quick else 1_000_000
    classes = ClassList(tuple(f"class {number}" for number in range(CLASSES)))
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        start = perf_counter()
        with LabelsWriter(open_storage(Path(scratch)), Path("pictures"), classes) as writer:
            for first in range(0, pictures, _BLOCK):
                scores = rng.random((_BLOCK, CLASSES), np.float32)
                writer.add([f"{first + row:09d}.jpg" for row in range(_BLOCK)], scores, scores)
            writer.seal()
            writer.finish(np.full(CLASSES, 0.5, np.float32), {})
        written = perf_counter()
        rows = sum(len(batch.paths) for batch in iterate_labels(Path(scratch)))
        read = perf_counter()
    title = f"labels of {rows:,} x {CLASSES}"
    return Measured(
        (
            stated("labels-peak", f"{title}: peak memory", "MB", peak_memory_mib() or nan),
            stated("labels-write", f"{title}: written", "pictures/s", rows / (written - start)),
            stated("labels-read", f"{title}: read", "pictures/s", rows / (read - written)),
        ),
    )


def _write_similarities(file: Path, pictures: int) -> None:
    about = f'{{"classes": {[f"class {number}" for number in range(CLASSES)]}}}'.replace("'", '"')
    lists = pa.list_(pa.float32())
    fields = {"path": pa.string(), "global_cosines": lists, "local_cosines": lists}
    schema = pa.schema(fields, metadata={"cdul_edge": about})
    with pq.ParquetWriter(file, schema) as writer:
        for first, values in _draw(pictures):
            names = [f"{first + row:09d}.jpg" for row in range(len(values))]
            columns = [pa.array(names), _lists(values[:, 0]), _lists(values[:, 1:])]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def _draw(pictures: int) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    rng = np.random.default_rng(0)
    for first in range(0, pictures, _BLOCK):
        drawn = rng.normal(0.2, 0.024, (min(_BLOCK, pictures - first), VIEWS, CLASSES))
        yield first, drawn.astype(np.float32)


def _lists(values: npt.NDArray[np.float32]) -> pa.ListArray:
    flat = values.reshape(len(values), -1)
    offsets = np.arange(len(flat) + 1, dtype=np.int32) * flat.shape[1]
    return pa.ListArray.from_arrays(offsets, flat.reshape(-1))

"""An exported tower in OpenVINO or ONNX Runtime, run by several threads at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from cdul_edge.clip.choices import Exported
from cdul_edge.labelling.arrays import Floats, Pixels
from cdul_edge_runtime.backends.openvino.api import Compiled
from cdul_edge_runtime.backends.openvino.graph import read_graph
from cdul_edge_runtime.backends.openvino.library import import_openvino, new_core
from cdul_edge_runtime.backends.openvino.requests import Requests
from cdul_edge_runtime.backends.openvino.units import describe_unit
from cdul_edge_runtime.backends.openvino.words import reason_of
from cdul_edge_runtime.backends.ort.failures import run_errors, session_errors
from cdul_edge_runtime.backends.ort.library import import_onnxruntime
from cdul_edge_runtime.device_choice import CPU
from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from cdul_edge_runtime.host.forks import never_free_in_a_fork


class TowerSession(Protocol):
    """A tower that was loaded."""

    def run(self, pixels: Pixels) -> Floats:
        """Embeddings (B, ..., D) float32 of (B, S, S, 3) uint8; safe in several threads."""


class OpenVinoTower:
    """As many batches at a time as there are streams, each on its share of the threads.

    Two streams of a thread each take 2 to 20 % less time than one of two threads.

    Raises:
        CdulEdgeError: bfloat16 on a processor without it, or a graph that OpenVINO cannot load.
    """

    def __init__(self, file: Path, precision: str, threads: int, streams: int) -> None:
        openvino = import_openvino()
        core = new_core()
        if precision == "bf16" and "BF16" not in describe_unit(core, CPU)[1]:
            raise CdulEdgeError(
                "this processor computes no bfloat16, and OpenVINO would only imitate it: use "
                "--precision fp32, with --force if the folder was begun in bf16"
            )
        properties = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": str(threads),
            "NUM_STREAMS": str(streams),
            # decoding processes share the cores, and would stand in line for one
            "ENABLE_CPU_PINNING": "NO",
        }

        def load() -> Compiled:
            return core.compile_model(read_graph(openvino, file), CPU, properties)

        try:
            self._requests = Requests(openvino, load, streams)
        except (RuntimeError, BundleError) as error:
            raise _cannot_run("OpenVINO", error) from error

    def run(self, pixels: Pixels) -> Floats:
        """As `TowerSession` says."""
        try:
            return self._requests.run(pixels)
        except (RuntimeError, MemoryError) as error:
            raise _cannot_run("OpenVINO", error) from error


class OnnxTower:
    """One session, which as many threads run at a time as there are streams.

    Raises:
        CdulEdgeError: a graph that ONNX Runtime cannot load.
    """

    def __init__(self, file: Path, threads: int, streams: int) -> None:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(1, threads // streams)
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(file), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except session_errors() as error:
            raise _cannot_run("ONNX Runtime", error) from error
        never_free_in_a_fork(self._session)

    def run(self, pixels: Pixels) -> Floats:
        """As `TowerSession` says."""
        try:
            vectors: Floats = self._session.run(None, {"images": pixels})[0]
        except run_errors() as error:
            raise _cannot_run("ONNX Runtime", error) from error
        return vectors


def open_session(
    library: Exported, file: Path, precision: str, threads: int, streams: int
) -> TowerSession:
    """Load an exported tower.

    Args:
        library: what runs it.
        file: the ONNX file.
        precision: "fp32", or with OpenVINO "bf16".
        threads: in all.
        streams: batches side by side.

    Raises:
        MissingExtraError: the library is not installed.
        CdulEdgeError: it cannot load the tower, or not in this precision.
    """
    if library == "openvino":
        return OpenVinoTower(file, precision, threads, streams)
    return OnnxTower(file, threads, streams)


def unit_vectors(embeddings: Floats) -> Floats:
    """Of length 1, in float32 whatever the tower computed in.

    Raises:
        CdulEdgeError: some are not finite.
    """
    if not np.isfinite(embeddings).all():
        raise CdulEdgeError(
            "CLIP's embeddings hold NaN or infinity: its weights are damaged, or the precision "
            "is too low for it; try --precision fp32"
        )
    lengths = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    vectors: Floats = embeddings / np.maximum(lengths, 1e-12)
    return vectors


def _cannot_run(library: str, error: Exception) -> CdulEdgeError:
    return CdulEdgeError(
        f"{library} cannot run this CLIP's image tower ({reason_of(error)}): use --encoder torch"
    )

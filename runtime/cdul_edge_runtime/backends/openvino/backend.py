"""OpenVINO on a CPU, GPU or NPU of Intel's. It is imported when a model is loaded, not before."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

import numpy as np

from cdul_edge_runtime.backends.openvino.api import (
    Compiled,
    Core,
    InferRequest,
    Inputs,
    Scores,
)
from cdul_edge_runtime.backends.openvino.graph import (
    check_contract,
    read_graph,
    read_metadata,
)
from cdul_edge_runtime.backends.openvino.library import import_openvino
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import BundleError, CdulEdgeError, DeviceError
from cdul_edge_runtime.host.forks import never_free_in_a_fork


class OpenVinoBackend:
    """One compiled model; `infer` is safe to call from several threads.

    Attributes:
        metadata: the model's `metadata_props`.
        input_shape: (height, width) px of the graph's input.
        class_count: width of the graph's output.
        max_batch: None: a batch may have any size.
        device_memory_mib: None: OpenVINO does not tell.
    """

    def __init__(
        self,
        model: Path,
        *,
        unit: str = "CPU",
        precision: Precision = Precision.FP32,
        threads: int | None = None,
    ) -> None:
        """Load a model.

        Args:
            model: an ONNX file.
            unit: which of OpenVINO's devices, such as "CPU", "GPU", "GPU.1" or "NPU".
            precision: what the file holds, or BF16, in which an FP32 file is computed.
            threads: of the CPU; None lets OpenVINO choose.

        Raises:
            MissingExtraError: OpenVINO is not installed.
            CdulEdgeError: a device that is not there, or a bad thread count.
            BundleError: no such file, or one that OpenVINO cannot load or that breaks the contract
                of the graph.
        """
        self._openvino = import_openvino()
        if threads is not None and not 1 <= threads <= 1024:
            raise CdulEdgeError(f"{threads} threads: expected 1 to 1024")
        if not model.is_file():
            raise BundleError(f"{model} does not exist: check the path")
        self._unit = unit
        self.max_batch: int | None = None
        self.device_memory_mib: float | None = None
        core: Core = self._openvino.Core()
        graph = read_graph(self._openvino, model)
        self.input_shape, self.class_count = check_contract(graph, model)
        self.metadata = read_metadata(graph)
        computed = "bf16" if precision is Precision.BF16 else "f32"
        properties = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": computed}
        if threads is not None and unit == "CPU":
            properties["INFERENCE_NUM_THREADS"] = str(threads)
        self._compiled: Compiled | None = core.compile_model(graph, unit, properties)
        never_free_in_a_fork(self._compiled)
        self._idle: list[InferRequest] = []
        self._lock = Lock()

    @property
    def name(self) -> str:
        version = str(self._openvino.get_version()).partition("-")[0]
        return f"openvino {version}, {self._unit}"

    def infer(self, images: Inputs) -> Scores:
        compiled = self._compiled  # read once: a run keeps it, though another thread may close this
        if compiled is None:
            raise CdulEdgeError("this OpenVINO model was closed: load it again")
        with self._lock:
            request = self._idle.pop() if self._idle else None
        request = request or compiled.create_infer_request()
        # it shares memory that it could write to, and copies what is read-only
        pixels = np.require(images, requirements=("C", "W"))
        tensor = self._openvino.Tensor(pixels, shared_memory=True)
        try:
            request.set_input_tensor(tensor)
            request.infer()
        except RuntimeError as error:
            said = " ".join(str(error).split())[:300]
            raise DeviceError(f"{self.name} failed ({said})") from error
        scores: Scores = request.get_output_tensor().data.copy()
        with self._lock:
            self._idle.append(request)
        return scores

    def close(self) -> None:
        self._compiled = None
        with self._lock:
            self._idle = []

"""OpenVINO on a CPU, GPU or NPU of Intel's. It is imported when a model is loaded, not before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cdul_edge_runtime.backends.openvino.api import Compiled, Core, Inputs, Scores
from cdul_edge_runtime.backends.openvino.compiled_file import CompiledFile, Origin
from cdul_edge_runtime.backends.openvino.graph import check_contract, read_graph, read_metadata
from cdul_edge_runtime.backends.openvino.library import import_openvino, new_core
from cdul_edge_runtime.backends.openvino.requests import Requests
from cdul_edge_runtime.backends.openvino.units import (
    INT8,
    Properties,
    check_precision,
    check_unit,
    describe_unit,
    most_pictures,
    properties_for,
    version_of,
)
from cdul_edge_runtime.backends.openvino.words import explain_no_start, reason_of
from cdul_edge_runtime.backends.run_failure import explain_failure
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.device_choice import CPU, CpuThreads
from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from cdul_edge_runtime.host.machine import describe_machine


@dataclass(frozen=True)
class Cache:
    """Where compiled models are kept, and the digest of the ONNX file."""

    folder: Path
    model_sha256: str


class OpenVinoBackend:
    """One compiled model; `infer` is safe to call from several threads, a request each.

    Attributes:
        metadata: the file's `metadata_props`; empty where the compiled model came from a cache.
        input_shape: (height, width) px of the graph's input.
        class_count: width of the graph's output.
        max_batch: 1 on an NPU; None elsewhere.
        device_memory_mib: None: OpenVINO does not tell.
    """

    def __init__(
        self,
        model: Path,
        *,
        unit: str = CPU,
        precision: Precision = Precision.FP32,
        threads: CpuThreads = CpuThreads(),
        cache: Cache | None = None,
    ) -> None:
        """Load a model.

        Args:
            model: an ONNX file.
            unit: which of OpenVINO's devices, such as "CPU", "GPU", "GPU.1" or "NPU".
            precision: what the file holds, or BF16, in which an FP32 file is computed.
            threads: of the CPU; `within` for each of the batches that run side by side.
            cache: where compiled models are kept; None compiles at each start.

        Raises:
            MissingExtraError: OpenVINO is not installed.
            CdulEdgeError: a device that is not there, does not compute in that precision, or does
                not start.
            BundleError: no such file, or one that OpenVINO cannot load or that breaks the contract
                of the graph.
        """
        openvino = import_openvino()
        if not model.is_file():
            raise BundleError(f"{model} does not exist: check the path")
        self._openvino, self._unit, self._version = openvino, unit, version_of(openvino)
        self.max_batch = most_pictures(unit)
        self.device_memory_mib: float | None = None
        self.metadata: dict[str, str] = {}
        core = new_core()
        check_unit(core, unit, self._version)
        properties = properties_for(unit, precision, threads)
        try:
            device, capabilities = describe_unit(core, unit)
            check_precision(unit, precision, capabilities, device)
            kept = None
            # FP32 files compile nearly as fast as twice their size is read and checked.
            if cache and "EXPORT_IMPORT" in capabilities and (unit != CPU or precision in INT8):
                computed_in = properties["INFERENCE_PRECISION_HINT"]
                kept = self._kept_in(cache, precision, device, computed_in)
            self._requests = Requests(openvino, partial(self._load, core, model, kept, properties))
        except RuntimeError as error:
            raise explain_no_start(unit, model, precision, error) from error

    @property
    def name(self) -> str:
        return f"openvino {self._version}, {self._unit}"

    def infer(self, images: Inputs) -> Scores:
        if self.max_batch is not None and len(images) > self.max_batch:
            raise CdulEdgeError(
                f"a batch of {len(images)} pictures: {self.name} was started for at most "
                f"{self.max_batch}; give fewer at once"
            )
        if not len(images):  # it would score one picture, of whatever its memory holds
            return np.empty((0, self.class_count), np.float32)
        try:
            return self._requests.run(images)
        except (RuntimeError, MemoryError) as error:
            raise explain_failure(self.name, images.shape, error, reason_of(error)) from error

    def close(self) -> None:
        self._requests.close()

    def _kept_in(
        self, cache: Cache, precision: Precision, device: str, computed_in: str
    ) -> CompiledFile:
        # CPUs of one name may have other instructions, as those of virtual machines do
        flags = describe_machine()["cpu_flags"] if self._unit == CPU else ()
        origin = Origin(
            cache.model_sha256,
            self._openvino.get_version(),
            ", ".join((device, *flags)),
            computed_in,
        )
        return CompiledFile(cache.folder / f"openvino-{precision.value}-{self._unit}", origin)

    def _load(
        self, core: Core, model: Path, kept: CompiledFile | None, properties: Properties
    ) -> Compiled:
        compiled = self._restore(core, kept, properties)
        compiled = compiled or self._compile(core, model, kept, properties)
        self.input_shape, self.class_count = check_contract(compiled, model)
        return compiled

    def _restore(
        self, core: Core, kept: CompiledFile | None, properties: Properties
    ) -> Compiled | None:
        if kept is None or not (content := kept.read()):
            return None
        try:
            return core.import_model(content, self._unit, properties)
        except RuntimeError:
            kept.refuse()
            return None

    def _compile(
        self, core: Core, model: Path, kept: CompiledFile | None, properties: Properties
    ) -> Compiled:
        graph = read_graph(self._openvino, model)
        (height, width), _ = check_contract(graph, model)
        self.metadata = read_metadata(graph, model)
        if self.max_batch is not None:
            graph.reshape([self.max_batch, height, width, 3])
        compiled = core.compile_model(graph, self._unit, properties)
        if kept is not None:
            exported = compiled.export_model()  # bytes in 2025.0
            kept.write(exported if isinstance(exported, bytes) else exported.getvalue())
        return compiled

"""A TensorRT engine, run without ONNX Runtime and without PyTorch.

Neither TensorRT nor CUDA is touched before an engine is loaded. One path serves 8.6 to 11.x and
TensorRT for RTX: named tensors and `execute_async_v3`. Source: "Performing inference" in NVIDIA's
TensorRT documentation.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from functools import partial
from threading import Lock
from weakref import finalize

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.backends.trt import api as api
from cdul_edge_runtime.backends.trt.cuda_graph import RecordedBatch
from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.backends.trt.device_tensors import DeviceTensor
from cdul_edge_runtime.backends.trt.engine_choice import find_engine
from cdul_edge_runtime.backends.trt.engine_contract import IMAGES, SCORES, check_contract
from cdul_edge_runtime.backends.trt.engine_stamp import StampedEngine, source_sha256
from cdul_edge_runtime.backends.trt.library import (
    LeanTensorRT,
    gpu_platform,
    import_tensorrt,
)
from cdul_edge_runtime.backends.trt.loaded_engine import load_engine
from cdul_edge_runtime.backends.trt.platform import library_name
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import Flavor
from cdul_edge_runtime.errors import CdulEdgeError, DeviceError
from cdul_edge_runtime.host.forks import never_free_in_a_fork


class TrtBackend:
    """One engine with one execution context; a lock lets one thread in at a time.

    Threads that should run side by side take a backend each. A batch size that comes twice in a
    row is recorded as a CUDA graph and replayed from then on, which spares the launch of every
    layer; another size drops the graph, because TensorRT allows no change of the context that a
    graph was recorded from. `graph_fault` says why there is none where recording failed. TensorRT
    for RTX records graphs by itself; see `rtx_context`.

    A batch smaller than the profile's smallest is filled up with its last picture. What `close`
    gives back is given back as well when the backend is dropped without it.

    Attributes:
        input_shape: (height, width) px.
        class_count: C.
        profile: the batch sizes that it takes.
        device_memory_mib: of the engine's activations and of the two buffers; the weights, about
            the size of the engine file, come on top.
    """

    def __init__(
        self,
        engine: StampedEngine,
        *,
        use_graph: bool = True,
        trt: LeanTensorRT | None = None,
        cuda: CudaRuntime | None = None,
    ) -> None:
        """Load an engine.

        Args:
            engine: as `find_engine` gives it.
            use_graph: record CUDA graphs; without, every batch is launched layer by layer.
            trt, cuda: by default the installed TensorRT and its CUDA runtime.

        Raises:
            MissingExtraError: TensorRT is not installed.
            BundleError: the engine was built elsewhere, was changed, or breaks the contract.
            DeviceError: TensorRT refuses it, or is out of memory, said with the numbers.
            CdulEdgeError: no GPU.
        """
        stamp = engine.stamp
        if trt is None:
            trt = import_tensorrt(stamp.flavor, lean=stamp.version_compatible)
        self._cuda = cuda = cuda or CudaRuntime()
        self._what = (
            f"{library_name(stamp.flavor)} {trt.__version__}, {stamp.precision.value} engine"
        )
        self._use_graph = use_graph
        self._lock = Lock()
        self._batch = 0  # the size that the context is set to; 0 where that is not known
        with cuda.current(), ExitStack() as held:
            self._stream = self._cuda.create_stream()
            held.callback(self._cuda.destroy_stream, self._stream)
            loaded = load_engine(trt, self._cuda, engine, use_graph=use_graph)
            self.input_shape, self.class_count, self.profile = check_contract(
                trt, loaded.engine, engine
            )
            self._images = self._tensor((*self.input_shape, 3), np.uint8, held)
            self._scores = self._tensor((self.class_count,), np.float32, held)
            self.device_memory_mib = self._memory_mib(loaded.engine)
            self._loaded = loaded
            held.callback(loaded.drop)
            by_hand = use_graph and loaded.rtx is None  # TensorRT for RTX records by itself
            self._graph = RecordedBatch(self._cuda, self._stream, wanted=by_hand)
            held.callback(self._graph.drop)
            held.callback(self._cuda.synchronize, self._stream)
            self._set_addresses()
            # nothing held may refer to this object, or it would never be dropped
            self._release = finalize(self, _give_back, cuda, held.pop_all())
            self._release.atexit = False  # the driver does it, and a thread may still be running
        never_free_in_a_fork(self)  # which has no CUDA to give anything back to

    @classmethod
    def open(
        cls, bundle: Bundle, precision: Precision, *, flavor: Flavor = "tensorrt", gpu: int = 0
    ) -> TrtBackend:
        """Load the engine of a bundle that fits this machine; errors as of `find_engine` too."""
        trt = import_tensorrt(flavor, lean=True)  # first: it brings the CUDA runtime that fits it
        cuda = CudaRuntime(gpu=gpu)
        return cls(find_engine(bundle, precision, gpu_platform(trt, cuda)), cuda=cuda)

    @classmethod
    def open_file(cls, engine: StampedEngine, bundle: Bundle, *, gpu: int = 0) -> TrtBackend:
        """Load one engine of a bundle; a `BundleError` where it does not fit this machine."""
        trt = import_tensorrt(engine.stamp.flavor, lean=True)
        cuda = CudaRuntime(gpu=gpu)
        source = source_sha256(bundle, engine.stamp.precision)
        engine.check(source, gpu_platform(trt, cuda))
        return cls(engine, cuda=cuda)

    @property
    def name(self) -> str:
        """Such as "TensorRT 10.3.0, fp16 engine, CUDA graphs"."""
        graphs = "CUDA graphs" if self._use_graph else "no CUDA graphs"
        if self.graph_fault is not None:
            graphs = "no CUDA graphs (recording failed)"
        return f"{self._what}, {graphs}"

    @property
    def graph_fault(self) -> str | None:
        """None, or why batches are run layer by layer although graphs were wanted."""
        return self._graph.fault

    @property
    def max_batch(self) -> int | None:
        return self.profile.max

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Score (N, H, W, 3) uint8 RGB pictures: (N, C) float32 in [0, 1].

        Raises:
            DeviceError: the GPU failed.
            CdulEdgeError: N is over the profile, the pictures are of another size or type, or the
                backend was closed.
        """
        self._check_images(images)
        count = len(images)
        rows = max(count, self.profile.min)
        with self._lock:
            if not self._release.alive:
                raise CdulEdgeError("this TensorRT engine was closed: load it again")
            self._images.host[:count] = images
            self._images.host[count:rows] = images[-1]
            with self._cuda.current():
                self._run(rows)
            scores: npt.NDArray[np.float32] = self._scores.host[:count].copy()
        return scores

    def close(self) -> None:
        """Give everything back: graph, context, engine, buffers, stream. Again does nothing.

        A run in another thread ends first; one that comes later gets an error.
        """
        with self._lock:
            self._images = self._scores = None  # type: ignore[assignment]  # views of freed memory
            self._release()

    def _run(self, rows: int) -> None:
        # until it has ended well, the next run counts as the first of its size
        first, self._batch = rows != self._batch, 0
        try:
            if first:
                # never recorded at once: the first run of a size may allocate, a graph cannot
                self._set_batch(rows)
                self._enqueue(rows)
            elif self._graph.ready(partial(self._enqueue, rows)):
                self._graph.launch()
            else:
                self._enqueue(rows)
            self._cuda.synchronize(self._stream)
        except BaseException:  # an interruption, too, leaves work in the queue
            with suppress(CdulEdgeError):
                self._cuda.synchronize(self._stream)  # what was queued still uses the buffers
            raise
        self._batch = rows
        self._loaded.ran(rows)

    def _set_batch(self, rows: int) -> None:
        self._graph.drop()
        if not self._loaded.execution.set_input_shape(IMAGES, (rows, *self.input_shape, 3)):
            raise DeviceError(f"TensorRT refuses a batch of {rows}: {self._loaded.last_errors()}")

    def _enqueue(self, rows: int) -> None:
        self._images.upload(self._cuda, rows, self._stream)
        if not self._loaded.execution.execute_async_v3(self._stream):
            raise DeviceError(f"TensorRT could not run the engine: {self._loaded.last_errors()}")
        self._scores.download(self._cuda, rows, self._stream)

    def _tensor(
        self, shape: tuple[int, ...], dtype: npt.DTypeLike, held: ExitStack
    ) -> DeviceTensor:
        return DeviceTensor.allocate(self._cuda, (self.profile.max, *shape), dtype, held)

    def _set_addresses(self) -> None:
        context = self._loaded.execution
        for name, tensor in ((IMAGES, self._images), (SCORES, self._scores)):
            if not context.set_tensor_address(name, tensor.device_address):
                raise DeviceError(
                    f"TensorRT refuses a buffer for {name}: {self._loaded.last_errors()}"
                )

    def _memory_mib(self, engine: api.ICudaEngine) -> float | None:
        activations: int | None = api.optional(engine, "device_memory_size_v2")
        if activations is None:  # before 10
            activations = api.optional(engine, "device_memory_size")
        if activations is None:
            return None
        return (activations + self._images.host.nbytes + self._scores.host.nbytes) / (1 << 20)

    def _check_images(self, images: npt.NDArray[np.uint8]) -> None:
        if images.dtype != np.uint8 or images.shape[1:] != (*self.input_shape, 3):
            height, width = self.input_shape
            raise CdulEdgeError(
                f"the engine takes uint8 (N, {height}, {width}, 3), got {images.dtype} "
                f"{images.shape}: prepare the pictures as the bundle's manifest says"
            )
        if not 1 <= len(images) <= self.profile.max:
            raise CdulEdgeError(
                f"a batch of {len(images)}, this engine takes 1 to {self.profile.max}: give no "
                "other, or build again with `cdul-edge build --batch-max … --force`"
            )


def _give_back(cuda: CudaRuntime, held: ExitStack) -> None:
    # in whatever thread; a GPU that is lost takes nothing back, and has nothing any more
    with ExitStack() as thread, suppress(CdulEdgeError):
        with suppress(CdulEdgeError):
            thread.enter_context(cuda.current())
        held.close()

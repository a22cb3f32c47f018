"""ONNX Runtime on CPU, CUDA or TensorRT. It is imported when a session is made, not before."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cdul_edge_runtime.backends.ort.api import Inputs, Scores, Session
from cdul_edge_runtime.backends.ort.failures import (
    explain_fallback,
    explain_no_start,
    run_errors,
    session_errors,
)
from cdul_edge_runtime.backends.ort.library import import_onnxruntime
from cdul_edge_runtime.backends.ort.providers import (
    PROVIDERS,
    Providers,
    check_listed,
    cpu_providers,
    cuda_providers,
    free_memory_mib,
    gpu_of_threads,
    ready_for_gpu,
    tensorrt_providers,
)
from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.run_failure import explain_failure
from cdul_edge_runtime.bundle.classes import name_some
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import Device
from cdul_edge_runtime.device_choice import CpuThreads
from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from cdul_edge_runtime.host.forks import never_free_in_a_fork
from cdul_edge_runtime.host.machine import give_free_memory_back
from cdul_edge_runtime.host.memory import keep_freed_memory

if TYPE_CHECKING:
    from cdul_edge_runtime.backends.ort.bound_runs import BoundRuns

# Tuned for one picture, which is what a camera gives; the reference of a bundle has 16.
DEFAULT_PROFILE = Profile(min=1, best=1, max=16)
_HARMFUL_OPTIMISERS = {
    # It would quantize the biases, which TensorRT keeps in floating point.
    Precision.INT8: "WeightBiasQuantization",
    # onnxruntime 1.31 dies in it when it loads a vision transformer in FP16 on the CPU.
    Precision.FP16: "MatmulTransposeFusion",
}


class OrtBackend:
    """One ONNX Runtime session; `infer` is safe to call from several threads.

    Attributes:
        metadata: the model's `metadata_props`.
        input_shape: (height, width) px of the graph's input.
        class_count: width of the graph's output.
        max_batch: the profile's, on "ort-tensorrt".
    """

    def __init__(
        self,
        model: Path,
        *,
        device: Device = "cpu",
        gpu: int = 0,
        precision: Precision = Precision.FP32,
        threads: CpuThreads = CpuThreads(),
        cache_dir: Path | None = None,
        profile: Profile = DEFAULT_PROFILE,
    ) -> None:
        """Load a model.

        Args:
            model: an ONNX file.
            device: "cpu", "cuda" or "ort-tensorrt".
            gpu: the GPU's number among those that CUDA_VISIBLE_DEVICES shows; not for "cpu".
            precision: what the file holds.
            threads: of the CPU; one operator at a time suits graphs without branches.
            cache_dir: where "ort-tensorrt" keeps its engines; None is beside the model.
            profile: batch sizes of "ort-tensorrt".

        Raises:
            MissingExtraError: ONNX Runtime is not installed.
            CdulEdgeError: an unknown device, or one that does not start.
            BundleError: no such file, or one that ONNX Runtime cannot load or that breaks the
                contract of the graph.
        """
        self._version: str = import_onnxruntime().__version__
        _check_arguments(model, device)
        check_listed(device)
        self._device, self._gpu, self._at_gpu = device, gpu, gpu_of_threads(device, gpu)
        self._precision = precision
        self._threads = threads
        self.max_batch: int | None = None
        self._free_before_mib = free_memory_mib(device, gpu)
        with keep_freed_memory():  # each step frees a copy of the weights, and the next wants one
            session = self._open(model, cache_dir, profile)
        # ONNX Runtime falls back to the CPU without an error when a provider cannot start.
        running = session.get_providers()[0]
        if running != PROVIDERS[device]:
            raise explain_fallback(device, running)
        self.metadata = _read_metadata(session, model)
        self.input_shape, self.class_count = _check_contract(session, model)
        # None once it is closed, and so is what follows
        self._session: Session | None = session
        self._bound = bound = None if device == "cpu" else _bind(session, self.class_count, gpu)
        for owner in filter(None, (session, bound)):
            never_free_in_a_fork(owner)
        give_free_memory_back()

    @property
    def name(self) -> str:
        return f"onnxruntime {self._version}, {PROVIDERS[self._device]}"

    @property
    def device_memory_mib(self) -> float | None:
        """How much less is free on the GPU than before; other programs there blur it."""
        free_mib = free_memory_mib(self._device, self._gpu)
        if self._free_before_mib is None or free_mib is None:
            return None
        return max(self._free_before_mib - free_mib, 0.0)

    def infer(self, images: Inputs) -> Scores:
        if self.max_batch is not None and len(images) > self.max_batch:
            raise CdulEdgeError(
                f"a batch of {len(images)} pictures: {self.name} was started for at most "
                f"{self.max_batch}; give fewer at once"
            )
        # read once: a run keeps them, though another thread may close this
        session, bound = self._session, self._bound
        if session is None:
            raise CdulEdgeError("this ONNX Runtime session was closed: load it again")
        try:
            if bound is not None:
                with self._at_gpu():
                    return bound.infer(images)
            return session.run(None, {"images": images})[0]
        except run_errors() as error:
            raise explain_failure(self.name, images.shape, error) from error

    def close(self) -> None:
        with suppress(CdulEdgeError), self._at_gpu():
            self._bound = self._session = None  # what they hold goes when the last run has ended
        self._bound = self._session = None  # where the GPU cannot be chosen, too

    def _open(self, model: Path, cache_dir: Path | None, profile: Profile) -> Session:
        if self._device != "ort-tensorrt":
            on_cpu = self._device == "cpu"
            return self._start(model, cpu_providers() if on_cpu else cuda_providers(self._gpu))
        # Its profile needs the size, which only a session tells; the CPU's is cheap.
        size, _ = _check_contract(self._start(model, cpu_providers()), model)
        folder = cache_dir or model.with_suffix(".engines")
        folder.mkdir(parents=True, exist_ok=True)
        self.max_batch = profile.max
        providers = tensorrt_providers(self._precision, folder, size, profile, self._gpu)
        return self._start(model, providers)

    def _start(self, model: Path, providers: Providers) -> Session:
        onnxruntime = import_onnxruntime()
        options = onnxruntime.SessionOptions()
        # 0: ONNX Runtime counts the cores itself
        options.intra_op_num_threads = self._threads.within or 0
        options.inter_op_num_threads = self._threads.between
        options.log_severity_level = 3
        # Its threads spin for work between the pictures, too, which answers no sooner and takes
        # two to five times the processor's time of a camera's frame. Now they do within a run.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        if not self._threads.spin:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        harmful = _HARMFUL_OPTIMISERS.get(self._precision)
        on_cpu = providers[0][0] == PROVIDERS["cpu"]
        try:
            with self._at_gpu(), ready_for_gpu("cpu" if on_cpu else self._device):
                session: Session = onnxruntime.InferenceSession(
                    str(model),
                    sess_options=options,
                    providers=providers,
                    disabled_optimizers=[harmful] if harmful else None,
                    enable_fallback=0,  # it would go on elsewhere, and print so
                )
                return session
        except session_errors() as error:
            if on_cpu:
                reason = " ".join(str(error).split())
                raise BundleError(
                    f"{model} is not a model that ONNX Runtime can load ({reason})"
                ) from error
            raise explain_no_start(self._device, model, error) from error


def _bind(session: Session, class_count: int, gpu: int) -> BoundRuns:
    # here and not above: machines without a GPU do not pay for it
    from cdul_edge_runtime.backends.ort.bound_runs import BoundRuns

    return BoundRuns(session, class_count, gpu=gpu)


def _check_arguments(model: Path, device: str) -> None:
    if device not in PROVIDERS:
        raise CdulEdgeError(f"unknown device {device!r}: expected {', '.join(PROVIDERS)}")
    if not model.is_file():
        raise BundleError(f"{model} does not exist: check the path")


def _read_metadata(session: Session, model: Path) -> dict[str, str]:
    try:
        return dict(session.get_modelmeta().custom_metadata_map)
    except UnicodeDecodeError as error:
        raise BundleError(
            f"{model} holds metadata that is not UTF-8 ({error}): copy it again, or export again"
        ) from error


def _check_contract(session: Session, model: Path) -> tuple[tuple[int, int], int]:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    both = (*inputs, *outputs)
    found = [f"{tensor.name}: {tensor.type}{tensor.shape}" for tensor in both]
    fixed = [n for tensor in both for n in tensor.shape[1:] if isinstance(n, int)]
    if (
        [t.name for t in inputs] != ["images"]
        or [t.name for t in outputs] != ["scores"]
        or inputs[0].type != "tensor(uint8)"
        or len(inputs[0].shape) != 4
        or inputs[0].shape[3] != 3
        or outputs[0].type != "tensor(float)"
        or len(outputs[0].shape) != 2
        or len(fixed) != 4
    ):
        raise BundleError(
            f"{model} has {name_some(found, 4, '; ')}: expected images: "
            "tensor(uint8)[N, H, W, 3] and scores: tensor(float)[N, C], as `cdul-edge export` "
            "makes them"
        )
    height, width, _, classes = fixed
    return (height, width), classes

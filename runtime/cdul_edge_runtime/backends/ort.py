"""ONNX Runtime on the CPU. It is imported when a session is made, not before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.backends import Device
from cdul_edge_runtime.errors import BundleError, CdulEdgeError, extra_imports

_PROVIDERS = {"cpu": "CPUExecutionProvider"}


class OrtBackend:
    """One ONNX Runtime session; `run` is safe to call from several threads.

    Attributes:
        metadata: the model's `metadata_props`.
        input_shape: (height, width) px of the graph's input.
        class_count: width of the graph's output.
    """

    max_batch: int | None = None
    device_memory_mib: float | None = None

    def __init__(
        self,
        model: Path,
        *,
        device: Device = "cpu",
        threads: int | None = None,
        inter_threads: int = 1,
    ) -> None:
        """Load a model.

        Args:
            model: an ONNX file.
            device: "cpu".
            threads: threads within one operator; None lets ONNX Runtime take every core.
            inter_threads: operators run side by side; 1 suits graphs without branches.

        Raises:
            MissingExtraError: ONNX Runtime is not installed.
            CdulEdgeError: an unknown device, one that is not there, or a bad thread count.
            BundleError: no such file, or one that ONNX Runtime cannot load or that breaks the
                contract of the graph.
        """
        with extra_imports("cpu", "running a model"):
            import onnxruntime
        if device not in _PROVIDERS:
            raise CdulEdgeError(f"unknown device {device!r}: expected {', '.join(_PROVIDERS)}")
        if (threads is not None and threads < 1) or inter_threads < 1:
            raise CdulEdgeError(f"threads {threads}/{inter_threads}: expected at least 1")
        if not model.is_file():
            raise BundleError(f"{model} does not exist: check the path")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0  # 0: ONNX Runtime counts the cores itself
        options.inter_op_num_threads = inter_threads
        options.log_severity_level = 3
        provider = _PROVIDERS[device]
        try:
            self._session = onnxruntime.InferenceSession(
                str(model), sess_options=options, providers=[provider]
            )
        except _session_errors() as error:
            reason = " ".join(str(error).split())
            raise BundleError(
                f"{model} is not a model that ONNX Runtime can load ({reason})"
            ) from error
        # ONNX Runtime falls back to the CPU without an error when a provider cannot start.
        running = self._session.get_providers()[0]
        if running != provider:
            raise CdulEdgeError(f"asked for {provider}, ONNX Runtime runs on {running}")
        self._version = onnxruntime.__version__
        self._provider = running
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self.input_shape, self.class_count = _check_contract(self._session, model)

    @property
    def name(self) -> str:
        return f"onnxruntime {self._version}, {self._provider}"

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        scores: npt.NDArray[np.float32] = self._session.run(None, {"images": images})[0]
        return scores

    def close(self) -> None:
        del self._session


def _session_errors() -> tuple[type[BaseException], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = "Fail InvalidArgument InvalidGraph InvalidProtobuf NoSuchFile NotImplemented NoModel"
    return (*(getattr(state, name) for name in f"{names} RuntimeException".split()), RuntimeError)


def _check_contract(session: Any, model: Path) -> tuple[tuple[int, int], int]:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    found = [f"{t.name}: {t.type}{t.shape}" for t in (*inputs, *outputs)]
    if (
        [t.name for t in inputs] != ["images"]
        or [t.name for t in outputs] != ["scores"]
        or inputs[0].type != "tensor(uint8)"
        or len(inputs[0].shape) != 4
        or inputs[0].shape[3] != 3
        or outputs[0].type != "tensor(float)"
        or len(outputs[0].shape) != 2
        or not all(isinstance(n, int) for n in (*inputs[0].shape[1:], outputs[0].shape[1]))
    ):
        raise BundleError(
            f"{model} has {'; '.join(found)}: expected images: tensor(uint8)[N, H, W, 3] and "
            "scores: tensor(float)[N, C], as `cdul-edge export` makes them"
        )
    _, height, width, _ = inputs[0].shape
    return (height, width), outputs[0].shape[1]

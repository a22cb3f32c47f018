"""What is used of ONNX Runtime's session, with types: the package itself has none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Inputs = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]


class TensorInfo(Protocol):
    """An input or an output; a dimension that differs from run to run is a name or None."""

    name: str
    type: str
    shape: Sequence[int | str | None]


class ModelMetadata(Protocol):
    """What the file says about itself."""

    custom_metadata_map: dict[str, str]


class DeviceValue(Protocol):
    """A tensor on the device that it was made on."""

    def shape(self) -> Sequence[int]: ...

    def update_inplace(self, data: Inputs) -> None: ...


class Binding(Protocol):
    """Which memory a run reads and writes."""

    def bind_ortvalue_input(self, name: str, value: DeviceValue) -> None: ...

    def bind_output(
        self,
        name: str,
        device_type: str,
        device_id: int,
        element_type: type[np.float32],
        shape: tuple[int, ...],
        buffer_ptr: int,
    ) -> None: ...


class BindingSession(Protocol):
    """A session that runs with memory of the caller's."""

    def io_binding(self) -> Binding: ...

    def run_with_iobinding(self, binding: Binding) -> None: ...


class Session(BindingSession, Protocol):
    """One loaded model on its providers."""

    def get_inputs(self) -> list[TensorInfo]: ...

    def get_outputs(self) -> list[TensorInfo]: ...

    def get_providers(self) -> list[str]: ...

    def get_modelmeta(self) -> ModelMetadata: ...

    def run(self, names: None, feeds: dict[str, Inputs]) -> list[Scores]: ...

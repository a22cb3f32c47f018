"""What is used of OpenVINO, with types: the package itself has none that mypy can follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

Inputs = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]
T = TypeVar("T")


class Dimension(Protocol):
    """One length of a shape; a dynamic one has none."""

    @property
    def is_static(self) -> bool: ...

    def get_length(self) -> int: ...


class Kind(Protocol):
    """Of the numbers in a tensor."""

    def get_type_name(self) -> str: ...


class Port(Protocol):
    """An input or an output of a model."""

    @property
    def names(self) -> set[str]: ...

    @property
    def element_type(self) -> Kind: ...

    @property
    def partial_shape(self) -> Iterable[Dimension]: ...


class Value(Protocol):
    """What a model says about itself; `astype` gives it as that type."""

    def astype(self, kind: type[T]) -> T: ...


class Ported(Protocol):
    """What takes and gives tensors."""

    @property
    def inputs(self) -> Sequence[Port]: ...

    @property
    def outputs(self) -> Sequence[Port]: ...


class Model(Ported, Protocol):
    """A graph that was read."""

    def reshape(self, shape: list[int]) -> None: ...

    def has_rt_info(self, path: list[str]) -> bool: ...

    def get_rt_info(self, path: list[str]) -> Value: ...


class Tensor(Protocol):
    """Values; `data` is memory of theirs."""

    @property
    def data(self) -> Scores: ...


class InferRequest(Protocol):
    """One run at a time, with memory of its own."""

    def set_input_tensor(self, tensor: Tensor) -> None: ...

    def get_output_tensor(self) -> Tensor: ...

    def infer(self) -> object: ...


class Compiled(Ported, Protocol):
    """A model on its device."""

    def export_model(self) -> BytesIO | bytes: ...

    def create_infer_request(self) -> InferRequest: ...


class Machine(Protocol):
    """What says which devices are here."""

    @property
    def available_devices(self) -> list[str]: ...

    def get_property(self, device_name: str, property: str) -> object: ...


class Core(Machine, Protocol):
    """OpenVINO itself."""

    def import_model(
        self, model_stream: bytes, device_name: str, config: Mapping[str, str]
    ) -> Compiled: ...

    def compile_model(
        self, model: Model, device_name: str, config: Mapping[str, str]
    ) -> Compiled: ...

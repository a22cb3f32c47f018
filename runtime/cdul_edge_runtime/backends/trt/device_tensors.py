"""The two tensors of an engine: page-locked on the host, and once more on the device."""

from __future__ import annotations

import ctypes
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.backends.trt.cudart import CudaRuntime


@dataclass(frozen=True)
class DeviceTensor:
    """Room for one tensor at the profile's largest batch, on both sides.

    Attributes:
        host: (max batch, ...) view of page-locked memory; gone once `held` is closed.
        host_address: of its page-locked copy in host memory.
        device_address: of its memory on the GPU.
        row_bytes: of one picture.
    """

    host: npt.NDArray[Any]
    host_address: int
    device_address: int
    row_bytes: int

    @classmethod
    def allocate(
        cls,
        cuda: CudaRuntime,
        shape: tuple[int, ...],
        dtype: npt.DTypeLike,
        held: ExitStack,
    ) -> DeviceTensor:
        """Allocate (max batch, ...) once; `held` gives it back.

        Raises:
            CdulEdgeError: out of memory, said with the numbers.
        """
        size = prod(shape) * np.dtype(dtype).itemsize
        device = cuda.allocate(size)
        held.callback(cuda.free, device)
        host = cuda.allocate_host(size)
        held.callback(cuda.free_host, host)
        raw = np.ctypeslib.as_array((ctypes.c_ubyte * size).from_address(host))
        return cls(raw.view(dtype).reshape(shape), host, device, size // shape[0])

    def upload(self, cuda: CudaRuntime, rows: int, stream: int) -> None:
        """Queue the copy of the first `rows` pictures to the device."""
        cuda.copy_to_device(self.device_address, self.host_address, rows * self.row_bytes, stream)

    def download(self, cuda: CudaRuntime, rows: int, stream: int) -> None:
        """Queue the copy of the first `rows` pictures' scores to the host."""
        cuda.copy_to_host(self.host_address, self.device_address, rows * self.row_bytes, stream)

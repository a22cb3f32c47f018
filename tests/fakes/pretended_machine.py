"""A machine of which a test says what it has, and a backend that runs nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge_runtime import selection
from cdul_edge_runtime.backends import Backend
from cdul_edge_runtime.backends.trt import engine_stamp
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import Device
from cdul_edge_runtime.errors import CdulEdgeError


class Fake:
    """A backend that is sure of red, and takes two pictures at once."""

    name = "fake"
    input_shape = (8, 8)
    class_count = 3
    max_batch: int | None = 2
    device_memory_mib = None

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.closed = 0

    def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self.batches.append(len(images))
        if len(images) > 2:
            raise CdulEdgeError("at most 2")
        return np.tile(np.array([1, 0, 0], np.float32), (len(images), 1))

    def close(self) -> None:
        self.closed += 1


class Machine:
    """A machine of which the test says what it has; it counts what is opened."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, cpu_flags: list[str] | None = None
    ) -> None:
        self.driver = True
        self.broken: dict[tuple[str, str], str] = {}
        self.error = CdulEdgeError
        self.opened: list[tuple[str, str]] = []
        self.fake = Fake()
        flags = ["avx512_vnni"] if cpu_flags is None else cpu_flags
        monkeypatch.setattr(selection, "open_backend", self.open)
        monkeypatch.setattr(selection, "_no_cuda", lambda: self.no_cuda)
        monkeypatch.setattr(engine_stamp, "list_engines", lambda *words: self.engines[words[2]])
        monkeypatch.setattr(engine_stamp, "damaged_stamps", lambda folder: [])
        monkeypatch.setattr(selection, "nvidia_driver_there", lambda: self.driver)
        monkeypatch.setattr(selection, "describe_machine", lambda: {"cpu_flags": flags})
        self.no_cuda: str | None = None
        self.engines: dict[str, list[int]] = {"tensorrt": [1], "rtx": []}

    def open(self, bundle: Bundle, device: Device, precision: Precision, **_: object) -> Backend:
        self.opened.append((device, precision.value))
        if why := self.broken.get((device, precision.value)):
            raise self.error(why)
        return self.fake

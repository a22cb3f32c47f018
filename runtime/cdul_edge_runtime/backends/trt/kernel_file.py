"""The file beside an engine that keeps the kernels which were compiled for this GPU."""

from __future__ import annotations

import json
import warnings
from hashlib import sha256
from pathlib import Path

from cdul_edge_runtime.bundle.manifest import PROGRAM
from cdul_edge_runtime.errors import CdulEdgeWarning
from cdul_edge_runtime.host.files import atomic_write

_STAGE = "kernels"


class KernelFile:
    """One line that says what the rest is, and the rest, as TensorRT gave it.

    It is a cache: whatever keeps it from being read or written costs time at the next start, is
    said once with a `CdulEdgeWarning`, and stops nothing. Several processes may use one file: it
    is replaced whole, by what holds more.
    """

    def __init__(self, path: Path, engine_sha256: str) -> None:
        """Nothing is read yet.

        Args:
            path: of the file, which need not exist.
            engine_sha256: of the engine that the kernels belong to.
        """
        self._path, self._engine = path, engine_sha256
        self._known = b""  # what is in the file, as far as this process knows
        self._refused: bytes | None = None
        self._writable = True

    def read(self) -> bytes:
        """The kernels; empty where there are none, or they are damaged or an older engine's."""
        try:
            content = self._path.read_bytes() if self._path.is_file() else None
        except OSError as error:
            self._writable = False
            self._warn(f"{self._path} cannot be read ({error.strerror})")
            return b""
        if content is None or self._is_of_another_engine(content):
            return b""
        self._known = self._unpack(content)
        if not self._known:
            self._warn(f"{self._path} is damaged")
        return self._known

    def refuse(self) -> None:
        """TensorRT did not take what was read: another version or GPU wrote it, or driver."""
        self._refused, self._known = self._known, b""
        self._warn(f"{self._path} is of another TensorRT, driver or GPU")

    def write(self, kernels: bytes) -> None:
        """Keep these, unless they are there already or another process wrote more."""
        if not self._writable or kernels in (b"", self._known) or not self._path.parent.is_dir():
            return
        try:
            if not self._holds_more(kernels):
                with atomic_write(self._path) as temporary:
                    temporary.write_bytes(self._pack(kernels))
            self._known = kernels
        except OSError as error:
            self._writable = False
            self._warn(f"{self._path} cannot be written ({error.strerror})")

    def _holds_more(self, kernels: bytes) -> bool:
        there = self._unpack(self._path.read_bytes()) if self._path.is_file() else b""
        return there != self._refused and len(there) >= len(kernels)

    def _is_of_another_engine(self, content: bytes) -> bool:
        """As after a build with --force; nothing to warn of."""
        try:
            about = json.loads(content.partition(b"\n")[0])
        except (ValueError, RecursionError):
            return False
        known = isinstance(about, dict) and about.get("stage") == _STAGE
        return known and about.get("engine_sha256") != self._engine

    def _pack(self, kernels: bytes) -> bytes:
        about = {
            "program": PROGRAM,
            "stage": _STAGE,
            "engine_sha256": self._engine,
            "sha256": sha256(kernels).hexdigest(),
        }
        return json.dumps(about).encode() + b"\n" + kernels

    def _unpack(self, content: bytes) -> bytes:
        """The kernels, or nothing: what was changed since never reaches the GPU."""
        head, _, kernels = content.partition(b"\n")
        expected, _, _ = self._pack(kernels).partition(b"\n")
        return kernels if head == expected else b""

    def _warn(self, what: str) -> None:
        warnings.warn(
            f"{what}: kernels are compiled at the start, which takes longer; nothing else is lost",
            CdulEdgeWarning,
            stacklevel=3,
        )

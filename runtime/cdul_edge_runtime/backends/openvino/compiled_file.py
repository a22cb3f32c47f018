"""The file in a bundle that keeps what OpenVINO made of a model for this device."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from cdul_edge_runtime.bundle.manifest import PROGRAM
from cdul_edge_runtime.errors import CdulEdgeWarning
from cdul_edge_runtime.host.files import atomic_write

_STAGE = "openvino"


@dataclass(frozen=True)
class Origin:
    """What a compiled model was made from, and for; of another origin, it counts for nothing.

    Attributes:
        model_sha256: of the ONNX file.
        openvino: version, with its build.
        device: full name of what runs it, of a CPU with its instruction sets.
        computed_in: such as "f32"; threads are chosen when it is read.
    """

    model_sha256: str
    openvino: str
    device: str
    computed_in: str


class CompiledFile:
    """One line that says what the rest is, and the rest, as OpenVINO gave it.

    It is a cache: whatever keeps it from being read or written costs time at the next start, is
    said once with a `CdulEdgeWarning`, and stops nothing. There is one for a device and precision,
    so what another version or model left is replaced. OpenVINO's own cache (CACHE_DIR) would check
    no content, and leave a file for each place that the bundle ever lay in.
    """

    def __init__(self, path: Path, origin: Origin) -> None:
        """Nothing is read yet; the file and its folder need not exist."""
        self._path, self._origin = path, origin
        self._writable = True

    def read(self) -> bytes:
        """The compiled model; empty where there is none, or it is damaged or of another origin."""
        try:
            content = self._path.read_bytes() if self._path.is_file() else b""
        except OSError as error:
            self._writable = False
            self._warn(f"{self._path} cannot be read ({error.strerror})")
            return b""
        if not content:
            return b""
        head, _, compiled = content.partition(b"\n")
        if head == self._head(compiled):
            return compiled
        if not self._is_of_another_origin(head):
            self._warn(f"{self._path} is damaged")
        return b""

    def refuse(self) -> None:
        """OpenVINO did not take what was read."""
        self._warn(f"{self._path} is not what this OpenVINO and device wrote")

    def write(self, compiled: bytes) -> None:
        """Keep this in place of whatever is there."""
        if not self._writable:
            return
        try:
            self._path.parent.mkdir(exist_ok=True)
            with atomic_write(self._path) as temporary:
                temporary.write_bytes(self._head(compiled) + b"\n" + compiled)
        except OSError as error:
            self._warn(f"{self._path} cannot be written ({error.strerror})")

    def _head(self, compiled: bytes) -> bytes:
        about = {"program": PROGRAM, "stage": _STAGE, **asdict(self._origin)}
        return json.dumps({**about, "sha256": sha256(compiled).hexdigest()}).encode()

    def _is_of_another_origin(self, head: bytes) -> bool:
        """As after an update, or another export; nothing to warn of."""
        try:
            about = json.loads(head)
        except (ValueError, RecursionError):
            return False
        if not isinstance(about, dict) or about.get("stage") != _STAGE:
            return False
        expected = asdict(self._origin)
        return {name: about.get(name) for name in expected} != expected

    def _warn(self, what: str) -> None:
        warnings.warn(
            f"{what}: OpenVINO compiles the model at the start, which takes longer; nothing else "
            "is lost",
            CdulEdgeWarning,
            stacklevel=3,
        )

"""The stamp beside a TensorRT engine: what it was built from, and the only machine it fits."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from cdul_edge_runtime.files import read_json, sha256_file, write_json
from cdul_edge_runtime.manifest import PROGRAM, Precision, program_version

FORMAT = 1
ENGINES = "engines"  # folder in a bundle; engines are caches, the bundle is complete without them


@dataclass(frozen=True)
class Profile:
    """Batch sizes that an engine takes: fewest, the one it is tuned for, and most."""

    min: int
    best: int
    max: int

    def __post_init__(self) -> None:
        if not 1 <= self.min <= self.best <= self.max:
            raise CdulEdgeError(
                f"batch sizes min {self.min}, best {self.best}, max {self.max}: "
                "expected 1 <= min <= best <= max"
            )


@dataclass(frozen=True)
class GpuPlatform:
    """What an engine is bound to.

    Attributes:
        tensorrt: full version, such as "10.3.0".
        gpu: the device's name.
        compute_capability: such as "8.7".
        system: machine architecture, such as "aarch64".
    """

    tensorrt: str
    gpu: str
    compute_capability: str
    system: str


@dataclass(frozen=True)
class EngineStamp:
    """Sidecar of an engine file: NAME.engine has NAME.json.

    Attributes:
        precision: of the ONNX file it was built from.
        source_sha256: digest of that ONNX file.
        sha256, bytes: of the engine file.
        platform: what it was built on.
        profile: the batch sizes it takes.
        strongly_typed: whether the precision was taken from the graph alone.
        version_compatible: whether a newer TensorRT of the majors NVIDIA names may load it.
        hardware_compatible: whether newer GPUs (Ampere and later) may load it.
        build: seconds, peak host memory in MiB, workspace in MiB; plain values.
        version: of the program that built it.
    """

    precision: Precision
    source_sha256: str
    sha256: str
    bytes: int
    platform: GpuPlatform
    profile: Profile
    strongly_typed: bool
    version_compatible: bool = False
    hardware_compatible: bool = False
    build: dict[str, Any] = field(default_factory=dict)
    version: str = field(default_factory=program_version)

    def misfits(self, platform: GpuPlatform) -> list[str]:
        """Why the engine cannot run on `platform`, one short clause a reason; empty when it can."""
        built, here = self.platform, platform
        reasons = []
        if built.system != here.system:
            reasons.append(f"built on {built.system}, this is {here.system}")
        if built.tensorrt != here.tensorrt and not self.version_compatible:
            reasons.append(f"built with TensorRT {built.tensorrt}, here is {here.tensorrt}")
        same_gpu = (built.gpu, built.compute_capability) == (here.gpu, here.compute_capability)
        if not same_gpu and not self.hardware_compatible:
            reasons.append(
                f"built for {built.gpu} (compute capability {built.compute_capability}), "
                f"here is {here.gpu} ({here.compute_capability})"
            )
        return reasons

    def write(self, path: Path) -> None:
        """Write the stamp, atomically."""
        about = {"format": FORMAT, "program": PROGRAM, "stage": "build"}
        write_json(path, {**about, **asdict(self), "precision": self.precision.value})

    @classmethod
    def read(cls, path: Path) -> EngineStamp:
        """Read what `write` wrote; anything else is a `BundleError` that says to build again."""
        try:
            content = read_json(path)
            about = (content.pop("program"), content.pop("format"), content.pop("stage"))
            if about != (PROGRAM, FORMAT, "build"):
                raise ValueError(f"program, format and stage are {about}")
            return cls(
                **{
                    **content,
                    "precision": Precision(content["precision"]),
                    "platform": GpuPlatform(**content["platform"]),
                    "profile": Profile(**content["profile"]),
                }
            )
        except (CdulEdgeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(
                f"{path} is damaged ({error}): build again here with `cdul-edge build --force`"
            ) from error


@dataclass(frozen=True)
class StampedEngine:
    """An engine file with its stamp."""

    path: Path
    stamp: EngineStamp

    def check(self, source_sha256: str, platform: GpuPlatform) -> None:
        """Make sure that this machine can run the engine, and that it is the bundle's own.

        Raises:
            BundleError: built elsewhere or from another ONNX file, missing, or changed.
        """
        faults = self.stamp.misfits(platform)
        if self.stamp.source_sha256 != source_sha256:
            faults.append("built from another ONNX file")
        if not self.path.is_file():
            faults.append("the engine file is missing")
        elif not faults and sha256_file(self.path) != self.stamp.sha256:
            faults.append("the engine file was changed")
        if faults:
            raise BundleError(
                f"{self.path} does not fit this machine or bundle ({'; '.join(faults)}): "
                "build again here with `cdul-edge build`"
            )


def list_engines(bundle: Path, precision: Precision) -> list[StampedEngine]:
    """Every engine of that precision in the bundle, for whatever machine, sorted by name.

    A damaged stamp counts as no engine: it says nothing about what the engine is.
    """
    found = []
    for stamp_path in sorted((bundle / ENGINES).glob("*.json")):
        try:
            stamp = EngineStamp.read(stamp_path)
        except BundleError:
            continue
        if stamp.precision is precision:
            found.append(StampedEngine(stamp_path.with_suffix(".engine"), stamp))
    return found

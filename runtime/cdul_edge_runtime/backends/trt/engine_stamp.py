"""The stamp beside a TensorRT engine: what it was built from, and the machines it fits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt.platform import (
    GpuPlatform,
    describe_capabilities,
    describe_gpu,
    holds_gpu,
    is_ampere_or_later,
    library_name,
    version_numbers,
)
from cdul_edge_runtime.bundle.bundle import Bundle, list_stamps
from cdul_edge_runtime.bundle.manifest import PROGRAM, Precision, program_version
from cdul_edge_runtime.choices import Flavor
from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from cdul_edge_runtime.host.files import read_json, sha256_file, write_json
from cdul_edge_runtime.host.json_record import check_header, parse_record

FORMAT = 2
_ISA = {"AMD64": "x86_64"}  # as Windows says; engines of TensorRT for RTX run on both


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
        compute_capabilities: of the GPUs that it was built for, such as ("8.6", "8.9"), where
            `platform` is not the only one; engines of TensorRT for RTX.
        newer_gpus: whether GPUs above the last of them may load it, too.
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
    compute_capabilities: tuple[str, ...] = ()
    newer_gpus: bool = False
    build: dict[str, Any] = field(default_factory=dict)
    version: str = field(default_factory=program_version)

    @property
    def flavor(self) -> Flavor:
        """Which of NVIDIA's libraries built it, and can run it."""
        return self.platform.flavor

    def misfits(self, platform: GpuPlatform) -> list[str]:
        """Why the engine cannot run on `platform`, one short clause a reason; empty when it can.

        A version-compatible engine runs on a newer TensorRT of its own major or of the next one,
        a hardware-compatible one on every GPU from Ampere (8.0) on. Source: support matrix and
        "Engine compatibility" in NVIDIA's TensorRT documentation.
        """
        built, here = self.platform, platform
        if built.flavor != here.flavor:
            return [f"for {library_name(built.flavor)}, not {library_name(here.flavor)}"]
        if built.flavor == "rtx":
            return self._rtx_misfits(here)
        reasons = []
        if built.system != here.system:
            reasons.append(f"built on {built.system}, this is {here.system}")
        if built.tensorrt != here.tensorrt and not (
            self.version_compatible and _reads_plans_of(here.tensorrt, built.tensorrt)
        ):
            reasons.append(f"built with TensorRT {built.tensorrt}, here is {here.tensorrt}")
        anywhere = self.hardware_compatible and is_ampere_or_later(here)
        if describe_gpu(built) != describe_gpu(here) and not anywhere:
            reasons.append(f"built for {describe_gpu(built)}, here is {describe_gpu(here)}")
        return reasons

    def _rtx_misfits(self, here: GpuPlatform) -> list[str]:
        """Engines of TensorRT for RTX run on one version, and on the GPUs they were built for.

        Source: "Engine Compatibility" in NVIDIA's TensorRT-RTX documentation.
        """
        built, reasons = self.platform, []
        if _ISA.get(built.system, built.system) != _ISA.get(here.system, here.system):
            reasons.append(f"built on {built.system}, this is {here.system}")
        if built.tensorrt != here.tensorrt:
            library = library_name("rtx")
            reasons.append(f"built with {library} {built.tensorrt}, here is {here.tensorrt}")
        if not self.runs_on(here.compute_capability):
            reasons.append(f"built for {self.describe_gpus()}, here is {describe_gpu(here)}")
        return reasons

    def runs_on(self, capability: str) -> bool:
        """Whether an engine of TensorRT for RTX was built for GPUs of that compute capability."""
        return holds_gpu(self.compute_capabilities, capability, newer_gpus=self.newer_gpus)

    def describe_gpus(self) -> str:
        """The GPUs that it was built for, in words."""
        if not self.compute_capabilities:
            return describe_gpu(self.platform)
        return describe_capabilities(self.compute_capabilities, newer_gpus=self.newer_gpus)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `read` reads them back."""
        about = {"format": FORMAT, "program": PROGRAM, "stage": "build"}
        return {**about, **asdict(self), "precision": self.precision.value}

    def write(self, path: Path) -> None:
        """Write the stamp, atomically."""
        write_json(path, self.to_dict())

    @classmethod
    def read(cls, path: Path) -> EngineStamp:
        """Read what `write` wrote; anything else is a `BundleError` that says to build again."""
        try:
            content = read_json(path)
            check_header(content, program=PROGRAM, format=FORMAT, stage="build")
            return parse_record(cls, content)
        except CdulEdgeError as error:
            raise BundleError(
                f"{path} is damaged or of another version ({error}): build again here with "
                "`cdul-edge build --force`"
            ) from error


@dataclass(frozen=True)
class StampedEngine:
    """An engine file with its stamp."""

    path: Path
    stamp: EngineStamp

    def faults(self, source_sha256: str, platform: GpuPlatform) -> list[str]:
        """Why this machine cannot run the engine for the bundle whose ONNX file has that digest.

        Built elsewhere or from another file, missing, or changed; empty when it can be run.
        """
        misfits = self.stamp.misfits(platform)
        return misfits + self.file_faults(source_sha256, digest=not misfits)

    def file_faults(self, source_sha256: str, *, digest: bool = True) -> list[str]:
        """Those of the same that hold on every machine; without `digest` no file is read."""
        found = []
        if self.stamp.source_sha256 != source_sha256:
            found.append("built from another ONNX file")
        if not self.path.is_file():
            found.append("the engine file is missing")
        elif digest and not found and sha256_file(self.path) != self.stamp.sha256:
            found.append("the engine file was changed")
        return found

    def check(self, source_sha256: str, platform: GpuPlatform) -> None:
        """Raise `BundleError` where `faults` finds any."""
        self._refuse(self.faults(source_sha256, platform))

    def read(self, platform: GpuPlatform) -> bytes:
        """The engine, for TensorRT to load: never anything but what was built for this machine.

        Raises:
            BundleError: built elsewhere, missing, or changed.
        """
        faults = self.stamp.misfits(platform)
        plan = self.path.read_bytes() if self.path.is_file() else b""
        if hashlib.sha256(plan).hexdigest() != self.stamp.sha256:
            faults.append("the engine file is missing or was changed")
        self._refuse(faults)
        return plan

    def _refuse(self, faults: list[str]) -> None:
        if faults:
            raise BundleError(
                f"{self.path} does not fit this machine or bundle ({'; '.join(faults)}): "
                "build again here with `cdul-edge build --force`"
            )


def list_engines(
    bundle: Path, precision: Precision, flavor: Flavor | None = None
) -> list[StampedEngine]:
    """Every engine of that precision in the bundle, for whatever machine, sorted by name.

    None is both flavors.

    A damaged stamp counts as no engine, as it does not say what the engine is; `damaged_stamps`
    names those.
    """
    return [
        StampedEngine(path.with_suffix(".engine"), stamp)
        for path, stamp in _read_stamps(bundle)
        if isinstance(stamp, EngineStamp)
        and stamp.precision is precision
        and flavor in (None, stamp.flavor)
    ]


def damaged_stamps(bundle: Path) -> list[str]:
    """What is wrong with each stamp that cannot be read, one sentence a stamp."""
    return [str(stamp) for _, stamp in _read_stamps(bundle) if isinstance(stamp, BundleError)]


def source_sha256(bundle: Bundle, precision: Precision) -> str:
    """Digest of the ONNX file that an engine of that precision is built from.

    Raises:
        BundleError: the bundle has no such file, or it was changed.
    """
    bundle.model_path(precision)  # which checks it
    return bundle.model_sha256(precision)


def _read_stamps(bundle: Path) -> Iterator[tuple[Path, EngineStamp | BundleError]]:
    for path in list_stamps(bundle):
        try:
            yield path, EngineStamp.read(path)
        except BundleError as error:
            yield path, error


def _reads_plans_of(here: str, built: str) -> bool:
    """Whether TensorRT `here` runs version-compatible plans of TensorRT `built`."""
    old, new = version_numbers(built), version_numbers(here)
    return new >= old and (*old[:1], *new[:1]) in {(8, 8), (8, 10), (10, 10), (10, 11), (11, 11)}

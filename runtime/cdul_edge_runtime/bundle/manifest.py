"""The manifest: everything about a classifier that its weights do not say."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.threshold_values import thresholds_from_json, thresholds_to_json
from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from cdul_edge_runtime.host.json_record import parse_record
from cdul_edge_runtime.pictures.agreement import NEAR, PILLOW
from cdul_edge_runtime.pictures.preprocess import Preprocess

FORMAT = 1
PROGRAM = "cdul-edge"
METADATA_KEY = "cdul_edge"  # in the metadata_props of an ONNX file


class Precision(str, Enum):
    """What a network is computed in; decides which file is read.

    BF16 has no file of its own: it is the FP32 file, rounded by what runs it.
    """

    FP32 = "fp32"
    BF16 = "bf16"  # OpenVINO, on CPUs that have it
    FP16 = "fp16"
    INT8 = "int8"  # Q/DQ, for TensorRT
    INT8_CPU = "int8-cpu"  # for x86 CPUs

    @property
    def file(self) -> Precision:
        """The precision whose ONNX file is read: FP32 for BF16, and else this one."""
        return Precision.FP32 if self is Precision.BF16 else self

    @property
    def has_file(self) -> bool:
        """Whether it has an ONNX file of its own."""
        return self.file is self

    @property
    def shown(self) -> str:
        """How people read it: "fp32 as bf16" names the file and what it is computed in."""
        return self.value if self.has_file else f"{self.file.value} as {self.value}"

    @property
    def file_name(self) -> str:
        """Name of the ONNX file that is read, such as model.fp32.onnx."""
        return f"model.{self.file.value}.onnx"

    @property
    def record_name(self) -> str:
        """Name of the sidecar that says what a precision costs, such as model.int8.json."""
        return f"model.{self.value}.json"


@dataclass(frozen=True)
class Graph:
    """The contract of the ONNX graph: pixels in, scores out.

    The input is (N, H, W, 3) uint8 RGB with N free; normalization, layout and sigmoid are inside.
    The output is (N, C) float32 in [0, 1]. `newer_operators` are why an opset is above 17.
    """

    opset: int
    ir_version: int
    newer_operators: tuple[str, ...] = ()
    input: str = "images"
    input_dtype: str = "uint8"
    input_layout: str = "NHWC"
    input_color: str = "RGB"
    output: str = "scores"
    output_dtype: str = "float32"


@dataclass(frozen=True)
class Parity:
    """How far the exported graph was from PyTorch when it was made.

    Attributes:
        limit: largest absolute score difference allowed, then and in `verify`.
        max_error: largest absolute score difference over all reference pictures and classes.
        mean_error: mean absolute score difference over the same.
        batches: the batch sizes that were compared.
        against: what ran the graph, such as "onnxruntime 1.31.1".
    """

    limit: float
    max_error: float
    mean_error: float
    batches: tuple[int, ...]
    against: str


@dataclass(frozen=True)
class Resampling:
    """How `Preprocess` is to be computed, and what did so for the reference pictures.

    Attributes:
        like: whose values every resizer is held to.
        levels: how far it may be from those, of 255, on photographs.
        reference: what resized the reference pictures, which are stored as the graph takes them.
    """

    like: str = "Pillow, antialiased"
    levels: int = NEAR
    reference: str = PILLOW


@dataclass(frozen=True)
class FileRecord:
    """Size and digest of one file of the bundle."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """What a bundle's manifest.json holds, and an ONNX file's metadata (there without `files`).

    Attributes:
        classes: names of the C columns.
        thresholds: (C,) float32; a score at or above it is a label; +inf means never.
        preprocess: how a picture becomes the graph's input.
        graph: the contract of the ONNX graph.
        parity: how far it was from PyTorch.
        files: by name relative to the bundle.
        provenance: run, labels and checkpoint it came from.
        latency: measured times, filled by later stages.
        version: of the program that made it.
        resampling: how pictures are resized; before it was recorded, by Pillow.

    Raises:
        BundleError: thresholds that do not fit the classes, or a path that leaves the folder.
    """

    classes: ClassList
    thresholds: npt.NDArray[np.float32]
    preprocess: Preprocess
    graph: Graph
    parity: Parity
    files: dict[str, FileRecord] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    latency: dict[str, Any] = field(default_factory=dict)
    version: str = "unknown"
    resampling: Resampling = Resampling()

    def __post_init__(self) -> None:
        faults = []
        if self.thresholds.shape != (len(self.classes),):
            faults.append(f"{self.thresholds.size} thresholds for {len(self.classes)} classes")
        if np.isnan(self.thresholds).any():
            faults.append("a threshold that is NaN")
        faults += [
            f"the path {name!r}, which leaves the folder" for name in filter(_leaves, self.files)
        ]
        if faults:
            raise BundleError(f"has {' and '.join(faults)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` reads them back."""
        return {
            "format": FORMAT,
            "program": PROGRAM,
            "version": self.version,
            "classes": list(self.classes),
            "thresholds": thresholds_to_json(self.thresholds),
            "preprocess": self.preprocess.to_dict(),
            # not in `preprocess`: earlier versions refuse what they do not know there
            "resampling": asdict(self.resampling),
            "graph": asdict(self.graph),
            "parity": asdict(self.parity),
            "files": {name: asdict(record) for name, record in self.files.items()},
            "provenance": self.provenance,
            "latency": self.latency,
        }

    @classmethod
    def from_dict(cls, content: Any) -> Manifest:
        """Read what `to_dict` wrote.

        Raises:
            BundleError: another program's JSON, an unknown format, missing or wrong fields. The
                message is the end of a sentence that begins with the file's name.
        """
        if not isinstance(content, dict) or content.get("program") != PROGRAM:
            raise BundleError("is not a manifest of cdul-edge: give a folder that `export` made")
        kind = content.get("kind", content.get("stage"))
        if kind is not None:  # a manifest of a bundle names none
            raise BundleError(f"tells of {kind}: give a folder that `cdul-edge export` made")
        if content.get("format") != FORMAT:
            raise BundleError(
                f"has format {content.get('format')!r}, this program reads {FORMAT}: "
                "install the version that made it, or export it again"
            )
        try:
            return cls(
                classes=ClassList(tuple(content["classes"])),
                thresholds=thresholds_from_json(content["thresholds"]),
                preprocess=Preprocess.from_dict(content["preprocess"]),
                graph=parse_record(Graph, content["graph"], "graph"),
                parity=parse_record(Parity, content["parity"], "parity"),
                files={
                    name: parse_record(FileRecord, record, name)
                    for name, record in content["files"].items()
                },
                provenance=dict(content["provenance"]),
                latency=dict(content["latency"]),
                version=str(content["version"]),
                resampling=parse_record(Resampling, content.get("resampling", {}), "resampling"),
            )
        except BundleError:
            raise
        except KeyError as error:
            raise BundleError(
                f"is damaged ({error} is missing): copy the bundle again, or export it again"
            ) from error
        except (TypeError, ValueError, AttributeError, CdulEdgeError) as error:
            raise BundleError(
                f"is damaged ({error}): copy the bundle again, or export it again"
            ) from error

    def to_json(self) -> str:
        """One line of JSON, for an ONNX file's metadata."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)


def program_version() -> str:
    """Version of the installed program, "unknown" when it runs uninstalled."""
    from importlib.metadata import PackageNotFoundError, version  # costs more than this module

    try:
        return version(PROGRAM)
    except PackageNotFoundError:
        return "unknown"


def _leaves(name: str) -> bool:
    path = PurePosixPath(name)
    return not name or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name

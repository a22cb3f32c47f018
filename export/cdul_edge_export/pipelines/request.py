"""What is asked for, and what was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import InstanceKind, Pipeline, TritonBackend
from cdul_edge_runtime.errors import CdulEdgeError

MARKER = "cdul-edge.json"  # in each folder: who made it, and from what
LARGEST_BATCH = 1024  # NVDSINFER_MAX_BATCH_SIZE; enough for Triton as well
_LONGEST_DELAY_US = 60_000_000


@dataclass(frozen=True)
class TritonOptions:
    """What only Triton can be told.

    Attributes:
        name: of the model, and of its folder; None is the name of the bundle's folder.
        backend: "onnxruntime" serves the ONNX file, "tensorrt" an engine of the bundle.
        engine: which of several engines, a file in the bundle's engines/; None is the only one.
        instances: where the model runs; "auto" is the GPU where Triton finds one, else the CPU.
        queue_delay_us: how long a request may wait for others to share its batch, microseconds.
    """

    name: str | None = None
    backend: TritonBackend = "onnxruntime"
    engine: Path | None = None
    instances: InstanceKind = "auto"
    queue_delay_us: int = 2000

    def __post_init__(self) -> None:
        if not 0 <= self.queue_delay_us <= _LONGEST_DELAY_US:
            raise CdulEdgeError(
                f"a queue delay of {self.queue_delay_us} us: expected 0 or more, and at most a "
                "minute, which is 60000000"
            )
        if self.engine is not None and self.backend != "tensorrt":
            raise CdulEdgeError(f"{self.engine} is an engine: it needs the backend tensorrt")


@dataclass(frozen=True)
class ExportConfigRequest:
    """A bundle to write for another program.

    Attributes:
        target: "deepstream" writes a folder for Gst-nvinfer, "triton" a model of a repository.
        bundle: its folder, which does not change.
        out: the folder to write; for Triton the model repository, in which only the model's own
            folder is written.
        precision: which file of the bundle is served.
        batch_size: most pictures in one call; None is 1 for DeepStream, where it should be the
            number of cameras, and 8 for Triton, or what its engine takes.
        threshold: one for all classes, or a JSON file {class: number or null}; None is the
            bundle's.
        triton: what only Triton can be told.
        force: replace what an earlier `export_config` wrote.
    """

    target: Pipeline
    bundle: Path
    out: Path
    precision: Precision = Precision.FP32
    batch_size: int | None = None
    threshold: float | Path | None = None
    triton: TritonOptions = TritonOptions()
    force: bool = False

    def __post_init__(self) -> None:
        if self.batch_size is not None and not 1 <= self.batch_size <= LARGEST_BATCH:
            raise CdulEdgeError(f"batch size {self.batch_size}: expected 1 to {LARGEST_BATCH}")
        if self.target == "deepstream" and self.triton != TritonOptions():
            raise CdulEdgeError(
                "a model's name, backend, engine, instances and queue delay are Triton's: "
                "leave them out for DeepStream"
            )


@dataclass(frozen=True)
class ExportConfigResult:
    """What was written.

    Attributes:
        target: for which program.
        folder: the folder that was written; for Triton the model's own.
        files: every file in it, relative, sorted.
        renamed: class to label, where the labels file cannot hold the class's own name.
        limits: what the other program does not do as this one does, one sentence each.
    """

    target: Pipeline
    folder: Path
    files: tuple[str, ...]
    renamed: dict[str, str]
    limits: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "target": self.target,
            "folder": str(self.folder),
            "files": list(self.files),
            "renamed": self.renamed,
            "limits": list(self.limits),
        }

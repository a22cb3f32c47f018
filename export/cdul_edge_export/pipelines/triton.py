"""A model for Triton's repository: the bundle's own file, config.pbtxt, labels, and a README."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from cdul_edge_export.pipelines.label_lines import renamed_labels, triton_labels
from cdul_edge_export.pipelines.provenance import Provenance, folder_kind, marker, served_file
from cdul_edge_export.pipelines.request import (
    MARKER,
    ExportConfigRequest,
    ExportConfigResult,
)
from cdul_edge_export.pipelines.triton_config import LABELS, MODEL_FILES, ModelConfig
from cdul_edge_runtime.backends.trt.engine_stamp import (
    StampedEngine,
    damaged_stamps,
    list_engines,
    source_sha256,
)
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import InstanceKind, TritonBackend
from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from cdul_edge_runtime.host.files import new_directory, write_json

CONFIG, README = "config.pbtxt", "README.md"
VERSION = "1"  # the folder of the model's first version

_DEFAULT_BATCH = 8
_ONNX_PRECISIONS = tuple(precision for precision in Precision if precision.has_file)
_ENGINE_PRECISIONS = (Precision.FP32, Precision.FP16, Precision.INT8)
TRITON_FOLDER = folder_kind(
    "triton",
    "model for Triton",
    (CONFIG, LABELS, README, *(f"{VERSION}/{f}" for f in MODEL_FILES.values())),
)


@dataclass(frozen=True)
class _Served:
    """The file that Triton runs, and what it takes."""

    file: Path
    sha256: str
    max_batch: int
    preferred: tuple[int, ...]
    limits: tuple[str, ...] = ()


def write_triton(bundle: Bundle, request: ExportConfigRequest) -> ExportConfigResult:
    """Write the model's folder into the repository `out`.

    Raises:
        BundleError: the bundle has no such precision, or no such engine.
        CdulEdgeError: the folder is taken, or the options contradict one another.
    """
    options = request.triton
    name = _model_name(bundle, options.name)
    served = _served(bundle, request)
    labels = triton_labels(bundle.manifest.classes)
    provenance = Provenance.of(bundle, request.precision, served.sha256)
    config = ModelConfig(
        name=name,
        backend=options.backend,
        # what the bundle's files are is of no use to a client
        manifest=replace(bundle.manifest, files={}, latency={}),
        max_batch=served.max_batch,
        preferred=served.preferred,
        queue_delay_us=options.queue_delay_us,
        instances=_instances(options.instances, options.backend, request.precision),
        comments=(provenance.comment(), *served.limits),
    )
    place = request.out / name
    with new_directory(
        place, TRITON_FOLDER, force=request.force, inputs=(bundle.folder,)
    ) as folder:
        version = folder / VERSION
        version.mkdir()
        shutil.copyfile(served.file, version / MODEL_FILES[options.backend])
        (folder / CONFIG).write_text(config.to_text(), encoding="utf-8")
        (folder / LABELS).write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
        (folder / README).write_text(_readme(config, provenance), encoding="utf-8")
        write_json(folder / MARKER, marker("triton", bundle, provenance, labels))
    files = (CONFIG, LABELS, README, MARKER, f"{VERSION}/{MODEL_FILES[options.backend]}")
    return ExportConfigResult(
        target="triton",
        folder=place,
        files=tuple(sorted(files)),
        renamed=renamed_labels(bundle.manifest.classes, labels),
        limits=served.limits,
    )


def _model_name(bundle: Bundle, given: str | None) -> str:
    if given is None:
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", bundle.folder.resolve().name).lstrip(".")
        return plain or "classifier"
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", given):
        raise CdulEdgeError(
            f"the model name {given!r}: expected letters, digits, '_', '-' and '.', as it is a "
            "folder and a part of addresses"
        )
    return given


def _served(bundle: Bundle, request: ExportConfigRequest) -> _Served:
    if request.triton.backend == "tensorrt":
        return _served_engine(bundle, request)
    served_file(bundle, request.precision, _ONNX_PRECISIONS)
    batch = request.batch_size or _DEFAULT_BATCH
    limits: tuple[str, ...] = ()
    if request.precision is Precision.INT8:
        limits = (
            "int8 is for TensorRT: ONNX Runtime is slower with it than with int8-cpu on a CPU, or "
            "fp16 on a GPU",
        )
    return _Served(
        bundle.model_path(request.precision),
        bundle.model_sha256(request.precision),
        batch,
        (batch,),
        limits,
    )


def _served_engine(bundle: Bundle, request: ExportConfigRequest) -> _Served:
    served_file(bundle, request.precision, _ENGINE_PRECISIONS)
    engine = _choose_engine(bundle, request)
    profile, platform = engine.stamp.profile, engine.stamp.platform
    batch = request.batch_size or profile.max
    if not profile.min <= batch <= profile.max or profile.min != 1:
        raise CdulEdgeError(
            f"{engine.path.name} takes {profile.min} to {profile.max} pictures, and Triton sends 1 "
            f"to {batch}: build it again with `--batch-min 1 --batch-max {batch}`"
        )
    runs = (
        f"the engine was built with TensorRT {platform.tensorrt} for {platform.gpu}: Triton must "
        "have the same TensorRT and GPU"
    )
    preferred = tuple(sorted({min(profile.best, batch), batch} - {1}))
    return _Served(engine.path, engine.stamp.sha256, batch, preferred, (runs,))


def _choose_engine(bundle: Bundle, request: ExportConfigRequest) -> StampedEngine:
    source = source_sha256(bundle, request.precision)
    found = list_engines(bundle.folder, request.precision, "tensorrt")
    if request.triton.engine is not None:
        wanted = request.triton.engine.name
        found = [engine for engine in found if engine.path.name == wanted]
        if not found:
            raise BundleError(
                f"{bundle.folder} has no {request.precision.value} engine {wanted} of TensorRT: "
                "name a file of its engines/ folder"
            )
    sound = [engine for engine in found if not engine.file_faults(source)]
    if not sound:
        faults = [f"{e.path.name} ({', '.join(e.file_faults(source))})" for e in found]
        reasons = "; ".join(faults + damaged_stamps(bundle.folder))
        raise BundleError(
            f"{bundle.folder} has no {request.precision.value} engine for Triton"
            f"{f' ({reasons})' if reasons else ''}: build one with `cdul-edge build "
            f"{bundle.folder} --precision {request.precision.value} --flavor tensorrt`, with "
            "Triton's TensorRT and GPU"
        )
    if len(sound) > 1:
        names = ", ".join(engine.path.name for engine in sound)
        raise CdulEdgeError(
            f"{bundle.folder} has {len(sound)} {request.precision.value} engines ({names}): choose "
            "one with --engine"
        )
    return sound[0]


def _instances(asked: InstanceKind, backend: TritonBackend, precision: Precision) -> InstanceKind:
    needed: InstanceKind | None = None
    if backend == "tensorrt":
        needed = "gpu"
    elif precision is Precision.INT8_CPU:
        needed = "cpu"
    if needed is not None and asked not in ("auto", needed):
        raise CdulEdgeError(
            f"{precision.value} with {backend} runs on the {needed.upper()} alone: leave "
            "--instances out"
        )
    return needed or asked


def _readme(config: ModelConfig, provenance: Provenance) -> str:
    shown = config.manifest.preprocess
    sections = (
        "# A cdul-edge classifier for Triton",
        f"Written by {provenance.comment()}.",
        "    tritonserver --model-repository=FOLDER",
        f"where FOLDER holds the folder `{config.name}`. Clients send `images`, uint8 (N, "
        f"{shown.height_px}, {shown.width_px}, 3) RGB, and get `scores`, float32 (N, "
        f"{len(config.manifest.classes)}). A score at or above its class's threshold is a label. "
        "Classes, thresholds, and how a picture is resized stand in the model's configuration, "
        "under the parameter `cdul_edge`; `examples/triton/client.py` of cdul-edge reads them from "
        "the server.",
    )
    return "\n\n".join(sections) + "\n"

"""One model file without its bundle being named: a bare ONNX file, or one engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from cdul_edge_runtime.backends import Backend, closed_on_error, run_once
from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.backends.ort.library import import_onnxruntime
from cdul_edge_runtime.bundle.bundle import ENGINES, MANIFEST, Bundle
from cdul_edge_runtime.bundle.manifest import METADATA_KEY, Manifest, Precision
from cdul_edge_runtime.choices import ENGINE_DEVICES, ENGINE_FLAVORS
from cdul_edge_runtime.device_choice import Auto, CpuThreads, DeviceChoice
from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from cdul_edge_runtime.host.meanwhile import Meanwhile
from cdul_edge_runtime.run_order import candidates, only_openvino, worth_warming_up
from cdul_edge_runtime.selection import Selection

if TYPE_CHECKING:
    from cdul_edge_runtime.backends.openvino.backend import OpenVinoBackend


def open_file(
    model: Path,
    device: DeviceChoice | Auto,
    precision: Precision | Auto,
    threads: CpuThreads,
    warm_up: bool | None,
    meanwhile: Meanwhile[None],
) -> tuple[Manifest, Backend, Selection]:
    """Open a model that is not asked for by its bundle; arguments as of `Classifier.load`.

    `meanwhile` is begun when the network is loaded.

    A bare ONNX file carries its manifest inside; its name says its precision, and another name
    says nothing. An engine belongs to the bundle in whose folder it lies.

    Raises:
        BundleError: it is damaged, or not what this program made.
        CdulEdgeError: a device or precision that it is not for, or that is not here.
    """
    if model.suffix == ".engine":
        meanwhile.begin()
        return _open_engine(model, device, precision, warm_up)
    named = next((p for p in Precision if p.file_name == model.name), None)
    if precision != "auto" and precision.file is not named:
        says = f"is {named.value} by its name" if named else "does not say its precision"
        raise CdulEdgeError(
            f"{model} {says}, {Precision(precision).value} was asked for: "
            "give the bundle, or precision auto"
        )
    held = precision if precision is Precision.BF16 else named or Precision.FP32
    openvino = not held.has_file or only_openvino()
    where = DeviceChoice("openvino" if openvino else "cpu") if device == "auto" else device
    if not held.has_file:
        candidates(where.kind, held)  # which refuses what does not compute in it
    if where.kind in ENGINE_FLAVORS:
        raise CdulEdgeError(f"{model} is one file and has no engines: give the bundle")
    if where.kind != "openvino":
        import_onnxruntime()  # before: it holds Python's lock, and making a session does not
    meanwhile.begin()
    backend = _open_onnx(model, where, held, threads)
    with closed_on_error(backend):
        manifest = _embedded_manifest(backend.metadata, model)
        check_fit(manifest, backend, model)
        if worth_warming_up(where, warm_up):
            run_once(backend)
    reason = "one file" if device == "auto" else "as asked"
    selection = Selection(where.kind, held, reason, gpu=where.gpu, unit=where.unit)
    return manifest, backend, selection


def _open_onnx(
    model: Path, where: DeviceChoice, held: Precision, threads: CpuThreads
) -> OpenVinoBackend | OrtBackend:
    if where.kind != "openvino":
        return OrtBackend(model, device=where.kind, gpu=where.gpu, precision=held, threads=threads)
    from cdul_edge_runtime.backends.openvino.backend import OpenVinoBackend

    return OpenVinoBackend(model, unit=where.unit, precision=held, threads=threads)


def _open_engine(
    path: Path, device: DeviceChoice | Auto, precision: Precision | Auto, warm_up: bool | None
) -> tuple[Manifest, Backend, Selection]:
    # here and not above: machines without a GPU do not pay for it
    from cdul_edge_runtime.backends.trt.backend import TrtBackend
    from cdul_edge_runtime.backends.trt.engine_stamp import EngineStamp, StampedEngine

    engines = path.absolute().parent  # as its name may be all that was given
    folder = engines.parent
    if engines.name != ENGINES or not (folder / MANIFEST).is_file():
        raise BundleError(
            f"{path} is an engine, which holds no classes: leave it in its bundle's folder "
            f"{ENGINES}, or give the bundle"
        )
    bundle, stamp = Bundle.load(folder), EngineStamp.read(path.with_suffix(".json"))
    kind = ENGINE_DEVICES[stamp.flavor]
    where = DeviceChoice(kind) if device == "auto" else device
    if where.kind != kind or precision not in ("auto", stamp.precision):
        raise CdulEdgeError(
            f"{path} is an {stamp.precision.value} engine for {kind}: give no other device or "
            "precision"
        )
    backend = TrtBackend.open_file(StampedEngine(path, stamp), bundle, gpu=where.gpu)
    with closed_on_error(backend):
        check_fit(bundle.manifest, backend, path)
        if worth_warming_up(where, warm_up):
            run_once(backend)
    selection = Selection(kind, stamp.precision, "one engine", gpu=where.gpu)
    return bundle.manifest, backend, selection


def _embedded_manifest(metadata: dict[str, str], model: Path) -> Manifest:
    if METADATA_KEY not in metadata:
        raise BundleError(
            f"{model} carries no cdul-edge manifest: give a file that `cdul-edge export` made"
        )
    try:
        return Manifest.from_dict(json.loads(metadata[METADATA_KEY]))
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"{model} carries a damaged manifest ({error}): export it again"
        ) from error
    except BundleError as error:
        raise BundleError(f"the manifest inside {model} {error}") from error


def check_fit(manifest: Manifest, backend: Backend, model: Path) -> None:
    """Raise `BundleError` where a model does not take or give what the manifest says."""
    preprocess = manifest.preprocess
    faults = []
    if backend.class_count != len(manifest.classes):
        faults.append(f"gives {backend.class_count} scores for {len(manifest.classes)} classes")
    if backend.input_shape != (preprocess.height_px, preprocess.width_px):
        size = f"{preprocess.height_px}x{preprocess.width_px}"
        faults.append(
            f"takes {'x'.join(map(str, backend.input_shape))} px, the manifest says {size}"
        )
    if faults:
        raise BundleError(f"{model} {' and '.join(faults)}: export it again")

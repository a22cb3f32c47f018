"""A folder for DeepStream: the graph variant, nvinfer's configuration, labels, and a README."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import onnx

from cdul_edge_export.pipelines.deepstream_graph import deepstream_graph
from cdul_edge_export.pipelines.deepstream_text import (
    CONFIG,
    LABELS,
    MODEL,
    README,
    DeepStreamText,
    limits,
)
from cdul_edge_export.pipelines.label_lines import deepstream_labels, renamed_labels
from cdul_edge_export.pipelines.provenance import Provenance, folder_kind, marker, served_file
from cdul_edge_export.pipelines.request import MARKER, ExportConfigRequest, ExportConfigResult
from cdul_edge_runtime.backends.ort.library import import_onnxruntime
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import new_directory, write_json

DEEPSTREAM_PRECISIONS = (Precision.FP32, Precision.FP16, Precision.INT8)
# nvinfer and trtexec write their engines beside the model
DEEPSTREAM_FOLDER = folder_kind(
    "deepstream", "folder for DeepStream", (MODEL, CONFIG, LABELS, README, "model*.engine")
)
# How far a graph's scores may be apart where a processor adds up in another order. What is looked
# for, a threshold or a plane in the wrong place, is further off.
_ROUNDING = {Precision.FP32: 1e-4, Precision.FP16: 1e-2, Precision.INT8: 1e-2}


def write_deepstream(bundle: Bundle, request: ExportConfigRequest) -> ExportConfigResult:
    """Write the folder, after comparing the variant's labels with the bundle's own.

    Raises:
        BundleError: the bundle has no such precision.
        CdulEdgeError: `out` is taken, or the variant decides otherwise.
    """
    served_file(bundle, request.precision, DEEPSTREAM_PRECISIONS)
    labels = deepstream_labels(bundle.manifest.classes)
    model = onnx.load(bundle.model_path(request.precision))
    provenance = Provenance.of(bundle, request.precision, bundle.model_sha256(request.precision))
    text = DeepStreamText(
        provenance=provenance,
        preprocess=bundle.manifest.preprocess,
        precision=request.precision,
        batch_size=request.batch_size or 1,
        classes=len(labels),
    )
    with new_directory(
        request.out, DEEPSTREAM_FOLDER, force=request.force, inputs=(bundle.folder,)
    ) as folder:
        variant = deepstream_graph(model, bundle.manifest.thresholds, asdict(provenance))
        _compare(bundle, model, variant, _ROUNDING[request.precision])
        onnx.save(variant, folder / MODEL)
        (folder / LABELS).write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
        (folder / CONFIG).write_text(text.config(), encoding="utf-8")
        (folder / README).write_text(text.readme(), encoding="utf-8")
        write_json(folder / MARKER, marker("deepstream", bundle, provenance, labels))
    return ExportConfigResult(
        target="deepstream",
        folder=request.out,
        files=tuple(sorted((MODEL, CONFIG, LABELS, README, MARKER))),
        renamed=renamed_labels(bundle.manifest.classes, labels),
        limits=limits(bundle.manifest.preprocess, len(labels)),
    )


def _compare(
    bundle: Bundle, model: onnx.ModelProto, variant: onnx.ModelProto, rounding: float
) -> None:
    """Refuse a variant that labels a reference picture otherwise than the bundle's graph."""
    pictures, thresholds = bundle.reference().inputs, bundle.manifest.thresholds
    scores = _run(model, pictures)
    shown = _run(variant, np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32))
    differs = (shown > 0) != (scores >= thresholds)
    if (differs & (np.abs(scores - thresholds) > rounding)).any():
        raise CdulEdgeError(
            f"the graph for DeepStream decides {int(differs.sum())} of {differs.size} labels of "
            "the reference pictures otherwise than the bundle: nothing was written; please report "
            "this with the network's name"
        )


def _run(model: onnx.ModelProto, inputs: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """(N, C) of a graph with one output of C columns, or C outputs of one."""
    ort = import_onnxruntime()
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = session.run(None, {session.get_inputs()[0].name: inputs})
    return np.concatenate(outputs, axis=1)

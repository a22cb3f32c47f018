"""From a trained network to a bundle whose scores were compared with PyTorch's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import nn

from cdul_edge_export.deploy import Deploy, torch_scores
from cdul_edge_export.onnx_export import to_onnx
from cdul_edge_export.portable import without_folders
from cdul_edge_export.reference import ReferencePictures
from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.bundle.bundle import (
    MANIFEST,
    REFERENCE,
    SCORE_REFERENCE,
    Bundle,
    Reference,
    record_file,
)
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.folder_kind import BUNDLE_FOLDER
from cdul_edge_runtime.bundle.manifest import (
    METADATA_KEY,
    Graph,
    Manifest,
    Parity,
    Precision,
    Resampling,
    program_version,
)
from cdul_edge_runtime.bundle.score_reference import ScoreReference
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.files import new_directory, write_json
from cdul_edge_runtime.pictures.preprocess import Preprocess
from cdul_edge_runtime.pictures.resizer import resizer_name

PARITY_LIMIT = 1e-4  # absolute, in scores: what float32 leaves after a hundred layers, with room


@dataclass(frozen=True, eq=False)
class ExportRequest:
    """A trained network, and what its bundle is to hold.

    Attributes:
        network: eval mode, on the CPU, float32; (N, 3, H, W) normalized -> (N, C) logits.
        out: the bundle's folder.
        classes: names of the C columns.
        preprocess: how a picture becomes the network's input.
        thresholds: (C,) on scores in [0, 1]; +inf for a class that is never predicted.
        reference: real pictures, on which the graph is compared with PyTorch here and later on
            every device.
        provenance: plain values for JSON that say what the network came from. Of absolute paths
            only the last part is written: a bundle is shipped.
        parity_limit: largest absolute score difference to PyTorch, at batch 1 and batch K.
        force: replace an existing bundle at `out`.
        score_reference: the network's scores of its training pictures, to measure drift against;
            None leaves it out.
    """

    network: nn.Module
    out: Path
    classes: ClassList
    preprocess: Preprocess
    thresholds: npt.NDArray[np.float32]
    reference: ReferencePictures
    provenance: Mapping[str, object] = field(default_factory=dict)
    parity_limit: float = PARITY_LIMIT
    force: bool = False
    score_reference: ScoreReference | None = None


@dataclass(frozen=True)
class ExportResult:
    """The bundle that was written, already read back and checked."""

    bundle: Bundle

    @property
    def parity(self) -> Parity:
        """How far the graph's scores are from PyTorch's."""
        return self.bundle.manifest.parity

    @property
    def size_mib(self) -> float:
        """Size of the float32 model, MiB."""
        return self.bundle.manifest.files[Precision.FP32.file_name].bytes / 2**20


def export(request: ExportRequest, console: Console | None = None) -> ExportResult:
    """Export a network, compare it with PyTorch, and write the bundle as a whole or not at all.

    Args:
        request: what to export, and where to.
        console: where to say what was made; without one, only warnings are issued.

    Raises:
        CdulEdgeError: `out` exists, the network does not fit the classes, cannot be exported, or
            the graph's scores are further from PyTorch's than the limit.
    """
    expected = _expected_scores(request)
    with new_directory(request.out, BUNDLE_FOLDER, force=request.force) as folder:
        manifest = _write_model(request, folder, expected)
        reference = request.reference
        Reference(reference.inputs, expected, reference.names).write(folder / REFERENCE)
        names = [Precision.FP32.file_name, REFERENCE]
        if request.score_reference is not None:
            request.score_reference.at(request.thresholds).write(folder / SCORE_REFERENCE)
            names.append(SCORE_REFERENCE)
        files = {name: record_file(folder / name) for name in names}
        write_json(folder / MANIFEST, replace(manifest, files=files).to_dict())
    result = ExportResult(Bundle.load(request.out))
    _report(result, console or LibraryConsole())
    return result


def _expected_scores(request: ExportRequest) -> npt.NDArray[np.float32]:
    """(K, C) PyTorch's scores of the reference pictures."""
    images = torch.from_numpy(request.reference.inputs)
    scores: npt.NDArray[np.float32]
    scores = torch_scores(request.network, request.preprocess, images).numpy()
    if scores.shape[1:] != (len(request.classes),):
        raise CdulEdgeError(
            f"the network gives {scores.shape[1:]} scores for {len(request.classes)} classes"
        )
    if not np.isfinite(scores).all():
        raise CdulEdgeError(
            "the network gives NaN: train it again, or export an earlier checkpoint"
        )
    return scores


def _write_model(
    request: ExportRequest, folder: Path, expected: npt.NDArray[np.float32]
) -> Manifest:
    """Write the ONNX file with its manifest inside, after comparing it with PyTorch.

    Returns:
        The manifest, without the digests of the files.
    """
    network = Deploy(request.network, request.preprocess)
    model, newer = to_onnx(network, request.preprocess)
    path = folder / Precision.FP32.file_name
    onnx.save(model, path)
    manifest = Manifest(
        classes=request.classes,
        thresholds=request.thresholds,
        preprocess=request.preprocess,
        graph=Graph(
            opset=model.opset_import[0].version,
            ir_version=model.ir_version,
            newer_operators=newer,
        ),
        parity=_compare(path, request.reference, expected, request.parity_limit),
        provenance=without_folders(request.provenance),
        version=program_version(),
        resampling=Resampling(reference=resizer_name()),
    )
    # The ONNX file alone is a classifier too: its manifest travels inside, without digests.
    onnx.helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
    onnx.save(model, path)
    return manifest


def _compare(
    path: Path, reference: ReferencePictures, expected: npt.NDArray[np.float32], limit: float
) -> Parity:
    """Run the graph at batch 1 and batch K, and refuse it beyond the limit."""
    backend, inputs = OrtBackend(path), reference.inputs
    one_by_one = np.concatenate([backend.infer(image[np.newaxis]) for image in inputs])
    error = np.maximum(np.abs(one_by_one - expected), np.abs(backend.infer(inputs) - expected))
    if not error.max() <= limit:
        worst = reference.names[int(error.max(axis=1).argmax())]
        raise CdulEdgeError(
            f"the exported graph's scores are up to {error.max():.2g} from PyTorch's, limit "
            f"{limit:.2g} (worst picture: {worst}): nothing was written"
        )
    return Parity(
        limit=limit,
        max_error=float(error.max()),
        mean_error=float(error.mean()),
        batches=(1, len(inputs)),
        against=backend.name,
    )


def _report(result: ExportResult, console: Console) -> None:
    manifest = result.bundle.manifest
    graph, preprocess, parity = manifest.graph, manifest.preprocess, manifest.parity
    console.say(
        f"{result.bundle.folder}: {len(manifest.classes)} classes, "
        f"{preprocess.width_px}x{preprocess.height_px} px, {result.size_mib:.1f} MiB, "
        f"opset {graph.opset}; differs from PyTorch by at most {parity.max_error:.1g} "
        f"(limit {parity.limit:.1g})"
    )
    if graph.newer_operators:
        console.warn(
            f"opset {graph.opset} instead of 17, because of {', '.join(graph.newer_operators)}: "
            "TensorRT before 10 cannot read it"
        )

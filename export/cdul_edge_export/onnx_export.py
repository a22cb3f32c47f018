"""torch -> ONNX -> a bundle that has shown to say what PyTorch says."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import nn
from torch.nn import functional

from cdul_edge_export.deploy import Deploy, torch_scores
from cdul_edge_export.graph import check_graph, let_cast_alone_read_pixels, lower_opset
from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.bundle.bundle import MANIFEST, REFERENCE, Bundle, Reference, record_file
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.manifest import (
    METADATA_KEY,
    Graph,
    Manifest,
    Parity,
    Precision,
    program_version,
)
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import new_directory, write_json
from cdul_edge_runtime.pictures.preprocess import Preprocess

PARITY_LIMIT = 1e-4  # absolute, in scores: what float32 leaves after a hundred layers, with room
_EXPORTER_OPSET = 18  # the lowest that torch's exporter makes without converting back


def export_bundle(
    network: nn.Module,
    out: Path,
    *,
    classes: ClassList,
    preprocess: Preprocess,
    thresholds: npt.NDArray[np.float32],
    reference_inputs: npt.NDArray[np.uint8],
    provenance: dict[str, Any],
    reference_names: Sequence[str] | None = None,
    parity_limit: float = PARITY_LIMIT,
    force: bool = False,
) -> Bundle:
    """Export a network, compare it with PyTorch, and write the bundle as a whole or not at all.

    Args:
        network: eval mode, on the CPU, float32; (N, 3, H, W) normalized -> (N, C) logits.
        out: the bundle's folder.
        thresholds: (C,); +inf for a class that is never predicted.
        reference_inputs: (K, H, W, 3) uint8 from `preprocess`, real pictures, K >= 1.
        reference_names: what the reference pictures are called; numbers by default.
        parity_limit: largest absolute score difference to PyTorch, at batch 1 and batch K.
        force: replace an existing `out`.

    Raises:
        CdulEdgeError: `out` exists, the network does not fit the classes, cannot be exported, or
            the graph's scores are further from PyTorch's than the limit.
    """
    names = tuple(reference_names or map(str, range(len(reference_inputs))))
    expected = torch_scores(network, preprocess, torch.from_numpy(reference_inputs)).numpy()
    if expected.shape[1:] != (len(classes),):
        raise CdulEdgeError(
            f"the network gives {expected.shape[1:]} scores for {len(classes)} classes"
        )
    if not np.isfinite(expected).all():
        raise CdulEdgeError("the network gives NaN: train it anew, or export an earlier checkpoint")
    with new_directory(out, force=force) as folder:
        model, newer = to_onnx(Deploy(network, preprocess), preprocess)
        path = folder / Precision.FP32.file_name
        onnx.save(model, path)
        parity = _compare(path, reference_inputs, expected, names, parity_limit)
        Reference(reference_inputs, expected, names).write(folder / REFERENCE)
        manifest = Manifest(
            classes=classes,
            thresholds=thresholds,
            preprocess=preprocess,
            graph=Graph(
                opset=model.opset_import[0].version,
                ir_version=model.ir_version,
                newer_operators=newer,
            ),
            parity=parity,
            provenance=provenance,
            version=program_version(),
        )
        # The ONNX file alone is a classifier too: its manifest travels inside, without digests.
        onnx.helper.set_model_props(model, {METADATA_KEY: manifest.to_json()})
        onnx.save(model, path)
        files = {name: record_file(folder / name) for name in (path.name, REFERENCE)}
        write_json(folder / MANIFEST, replace(manifest, files=files).to_dict())
    return Bundle.load(out)


def to_onnx(network: nn.Module, preprocess: Preprocess) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Export a `Deploy` network with a free batch size, at opset 17 where that is possible.

    Returns:
        The checked model, and the operators that kept it from opset 17, if any.

    Raises:
        CdulEdgeError: torch's exporter cannot follow the network.
    """
    network.eval()
    # Two pictures: the exporter takes a batch of one for a constant.
    images = torch.zeros(2, preprocess.height_px, preprocess.width_px, 3, dtype=torch.uint8)
    try:
        with _quiet(), _plain_pooling():
            program = torch.onnx.export(
                network,
                (images,),
                dynamo=True,
                input_names=["images"],
                output_names=["scores"],
                dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}},
                opset_version=_EXPORTER_OPSET,
                external_data=False,
                verbose=False,
            )
    except (torch.onnx.errors.OnnxExporterError, torch._dynamo.exc.TorchDynamoException) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CdulEdgeError(f"torch cannot export this network to ONNX ({reason})") from error
    assert program is not None  # only the exporter without dynamo gives none
    model: onnx.ModelProto = program.model_proto
    let_cast_alone_read_pixels(model)
    newer = lower_opset(model)
    model.producer_name, model.producer_version = "cdul-edge", program_version()
    check_graph(model)
    return model, newer


def _compare(
    path: Path,
    inputs: npt.NDArray[np.uint8],
    expected: npt.NDArray[np.float32],
    names: Sequence[str],
    limit: float,
) -> Parity:
    """Run the graph at batch 1 and batch K and refuse it beyond the limit."""
    backend = OrtBackend(path)
    one_by_one = np.concatenate([backend.infer(image[np.newaxis]) for image in inputs])
    error = np.maximum(np.abs(one_by_one - expected), np.abs(backend.infer(inputs) - expected))
    if not error.max() <= limit:
        worst = names[int(error.max(axis=1).argmax())]
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


@contextlib.contextmanager
def _plain_pooling() -> Iterator[None]:
    """Adaptive pooling to 1x1 is a mean; exported as it is, it becomes a Gather over strides."""
    adaptive = functional.adaptive_avg_pool2d

    def pool(features: torch.Tensor, output_size: Any) -> torch.Tensor:
        if output_size in (1, (1, 1), [1, 1]):
            return features.mean((2, 3), keepdim=True)
        return adaptive(features, output_size)

    with mock.patch.object(functional, "adaptive_avg_pool2d", pool):
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """torch's exporter talks on stdout, which is ours, and warns about its own insides."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)

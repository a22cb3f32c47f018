r"""Do labels under DeepStream's stock rule equal those of `predict`, and what does its resize cost?

Bundles are written with `export-config deepstream`. Their graph runs in ONNX Runtime, and the
rule of DeepStream's classifier is written anew from NVIDIA's sources (tests/fakes). Each class's
threshold is once the bundle's, and once the score of one of the pictures: a tie in every class.

nvinfer's scaling is stood in for by PyTorch: "bilinear" without antialiasing, and "average" over
the area, which its `scaling-filter=3` is on a GPU. DeepStream itself is not run.

    python -m benchmarks.deepstream --pair demo=demo-out/bundle:demo-out/world/heldout \
        --pair photographs=voc_bundle:voc2012-photos/heldout
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from torch.nn.functional import interpolate

from benchmarks.networks import warmed, write_bundle
from benchmarks.record import record
from cdul_edge_export import ExportConfigRequest, export_config
from cdul_edge_export.reference import choose_reference
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.bundle.thresholds import write_thresholds
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.pictures.images import PictureList, find_images, open_image
from cdul_edge_runtime.pictures.preprocess import Preprocess
from tests.fakes.deepstream_rule import read_labels, stock_attributes

NAME = "deepstream"
MOST = 1000  # pictures
BATCH = 20
RANDOM = ("timm:tf_efficientnet_lite0", "timm:vit_tiny_patch16_224", "mobilenet_v3_small")
PRECISIONS = (Precision.FP32, Precision.FP16, Precision.INT8)

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Decisions = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Row:
    """One file of a bundle under one set of thresholds.

    Attributes:
        pictures: that were looked at.
        decisions: pictures x classes.
        labels: decisions that are yes, of the bundle itself.
        differ: decisions that the stock rule takes otherwise on the written graph.
        one_layer: labels that the stock rule finds on the bundle's own graph, at 0.5.
        ties: decisions whose score is the threshold.
    """

    pictures: int
    decisions: int
    labels: int
    differ: int
    one_layer: int
    ties: int


def compare(bundle: Bundle, precision: Precision, pictures: Pixels, *, tied: bool) -> Row:
    """Both graphs on the same pictures, in the same batches."""
    scores = np.concatenate(list(_run(bundle.model_path(precision), pictures)))
    thresholds = bundle.manifest.thresholds
    if tied:
        ranked = np.sort(scores, axis=0)
        thresholds = ranked[int(0.7 * len(ranked))]
    wanted = scores >= thresholds
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "thresholds.json"), Path(folder, "out")
        write_thresholds(given, thresholds, bundle.manifest.classes)
        request = ExportConfigRequest("deepstream", bundle.folder, out, precision, threshold=given)
        export_config(request, SilentConsole())
        found = _stock(out, pictures, len(thresholds))
    best = scores.argmax(axis=1)
    alone = scores.max(axis=1) > 0.5
    return Row(
        pictures=len(pictures),
        decisions=wanted.size,
        labels=int(wanted.sum()),
        differ=int((found != wanted).sum()),
        one_layer=int((wanted[np.arange(len(best)), best] & alone).sum()),
        ties=int((scores == thresholds).sum()),
    )


def resize_cost(bundle: Bundle, paths: PictureList, filters: tuple[str, ...]) -> dict[str, object]:
    """Labels that change where nvinfer's filters stand in for our resize; fp32."""
    preprocess = bundle.manifest.preprocess
    ours = np.concatenate(list(_run(bundle.model_path(), _shown(paths, preprocess))))
    wanted = ours >= bundle.manifest.thresholds
    found: dict[str, object] = {"labels": int(wanted.sum()), "decisions": int(wanted.size)}
    for name in filters:
        resized = np.stack([_scale(paths.absolute(i), preprocess, name) for i in range(len(paths))])
        decided = np.concatenate(list(_run(bundle.model_path(), resized)))
        changed = (decided >= bundle.manifest.thresholds) != wanted
        found[name] = {
            "changed": int(changed.sum()),
            "changed_percent": round(100 * float(changed.mean()), 2),
            "of_labels_percent": round(100 * float(changed.sum() / wanted.sum()), 1),
        }
    return found


def _stock(folder: Path, pictures: Pixels, classes: int) -> Decisions:
    """(N, C) under the stock rule, by the labels that it says."""
    labels = read_labels(folder / "labels.txt")
    columns = {names[0]: column for column, names in enumerate(labels)}
    decided = np.zeros((len(pictures), classes), bool)
    session = _session(folder / "model.onnx")
    for start in range(0, len(pictures), BATCH):
        planes = pictures[start : start + BATCH].transpose(0, 3, 1, 2).astype(np.float32)
        layers = session.run(None, {"images": planes})
        for row in range(len(planes)):
            for label, _ in stock_attributes([layer[row] for layer in layers], labels, 0.0):
                assert label is not None
                decided[start + row, columns[label]] = True
    return decided


def _run(model: Path, pictures: Pixels) -> Iterator[Floats]:
    session = _session(model)
    for start in range(0, len(pictures), BATCH):
        yield session.run(None, {"images": pictures[start : start + BATCH]})[0]


def _session(model: Path) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _shown(paths: PictureList, preprocess: Preprocess) -> Pixels:
    return np.stack([preprocess.apply(open_image(paths.absolute(i))) for i in range(len(paths))])


def _scale(path: Path, preprocess: Preprocess, name: str) -> Pixels:
    """The whole picture squashed, as nvinfer does with `maintain-aspect-ratio=0`."""
    planes = torch.from_numpy(np.array(open_image(path))).permute(2, 0, 1)[None].float()
    size = (preprocess.height_px, preprocess.width_px)
    mode = {"bilinear": "bilinear", "average": "area"}[name]
    scaled = interpolate(planes, size, mode=mode)[0].permute(1, 2, 0)
    return scaled.round().clamp(0, 255).byte().numpy()


def _list(folder: Path) -> PictureList:
    found = find_images(folder)
    return PictureList(found.root, found.paths[:MOST])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pair", action="append", default=[], help="NAME=BUNDLE:PICTURES")
    parser.add_argument("--random", nargs="*", default=list(RANDOM), help="networks of noise")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: dict[str, dict[str, object]] = {}
    resizes: dict[str, object] = {}
    pictures: PictureList | None = None
    for name, _, pair in (text.partition("=") for text in options.pair):
        folder, _, images = pair.rpartition(":")
        bundle, pictures = Bundle.load(folder), _list(Path(images))
        rows[name] = _rows(bundle, _shown(pictures, bundle.manifest.preprocess))
        resizes[name] = resize_cost(bundle, pictures, ("bilinear", "average"))
        print(name, rows[name], resizes[name], flush=True)
    few = None if pictures is None else PictureList(pictures.root, pictures.paths[:200])
    for network in options.random if few is not None else ():
        assert few is not None
        subject = warmed(network, few)
        with tempfile.TemporaryDirectory() as folder:
            reference = choose_reference(few, subject.preprocess, count=8)
            bundle = write_bundle(subject, reference, Path(folder))
            rows[network] = _rows(bundle, _shown(few, subject.preprocess))
        print(network, rows[network], flush=True)
    record(NAME, {"labels": rows, "resize": resizes}, threads=options.threads)


def _rows(bundle: Bundle, pictures: Pixels) -> dict[str, object]:
    held = [one for one in PRECISIONS if one in bundle.precisions()]
    return {
        f"{precision.value}, {kind}": asdict(compare(bundle, precision, pictures, tied=tied))
        for precision in held
        for kind, tied in (("bundle's thresholds", False), ("ties", True))
    }


if __name__ == "__main__":
    main()

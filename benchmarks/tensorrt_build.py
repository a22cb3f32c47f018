"""Every documented network in three precisions through NVIDIA's own parser and compiler.

TensorRT for RTX builds engines on a machine without a GPU. Each network gets random weights with
the statistics of drawn pictures, is exported, made FP16 and INT8, and each file is parsed and
built in a process of its own. What is refused stands there with NVIDIA's message. The file is
written after each network; a network that stands in it is not built again, unless `--again`.

    python -m benchmarks.tensorrt_build [--networks resnet18 timm:resnet18d] [--again] [--threads 1]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import onnx
import torch

from benchmarks.networks import Subject, warmed, write_bundle
from benchmarks.record import RESULTS, record
from benchmarks.tensorrt_compiler import Build
from cdul_edge.demo.world import paint_world
from cdul_edge_calibration.data.ranges import measure_ranges
from cdul_edge_calibration.graphs.fp16 import find_fp16_hazards, to_fp16
from cdul_edge_calibration.graphs.layers import name_nodes
from cdul_edge_calibration.graphs.quantize import quantize_for_tensorrt
from cdul_edge_export.engines.engine_config import PRECISIONS
from cdul_edge_export.reference import choose_reference
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.json_record import parse_record
from cdul_edge_runtime.host.machine import installed_versions
from cdul_edge_runtime.pictures.images import PictureList, find_images

NAME = "tensorrt_build"
PACKAGE = "tensorrt-rtx-cu13"
# Every network that docs/bundle-format.md, docs/networks.md or docs/training.md names, and others.
FAMILIES = {
    "ResNet": (
        "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d",
        "timm:resnet18d", "timm:resnet50d",
    ),
    "MobileNet": (
        "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large",
        "timm:mobilenetv3_small_100", "timm:mobilenetv4_conv_small",
    ),
    "EfficientNet": ("efficientnet_b0", "timm:efficientnet_b0", "timm:tf_efficientnet_lite0"),
    "MNASNet, ShuffleNet, SqueezeNet": ("mnasnet1_0", "shufflenet_v2_x1_0", "squeezenet1_1"),
    "GhostNet": ("timm:ghostnetv2_100",),
    "branches merged": (
        "timm:mobileone_s0", "timm:repvgg_a0", "timm:repvit_m0_9", "timm:fastvit_t8",
    ),
    "RegNet": ("regnet_y_400mf", "timm:regnety_004"),
    "DenseNet, VGG": ("densenet121", "vgg11_bn"),
    "Inception": ("googlenet", "inception_v3"),
    "ConvNeXt": ("convnext_tiny", "timm:convnextv2_atto"),
    "ViT": ("vit_b_16", "timm:vit_tiny_patch16_224"),
    "Swin, MaxViT": ("swin_t", "swin_v2_t", "maxvit_t"),
    "other transformers": (
        "timm:eva02_tiny_patch14_224", "timm:hiera_tiny_224", "timm:volo_d1_224",
        "timm:naflexvit_base_patch16_gap",
    ),
    "CLIP": ("clip:RN50", "clip:demo"),
    "more of timm": (
        "timm:mobilevit_xxs", "timm:mobilevitv2_050", "timm:edgenext_xx_small", "timm:levit_128s",
        "timm:efficientvit_b0", "timm:pvt_v2_b0", "timm:tiny_vit_5m_224",
        "timm:xcit_nano_12_p16_224", "timm:mambaout_femto", "timm:poolformer_s12",
        "timm:efficientformerv2_s0", "timm:starnet_s1", "timm:mobilenetv4_hybrid_medium",
        "timm:swin_tiny_patch4_window7_224", "timm:nfnet_l0", "timm:coat_lite_tiny",
        "timm:skresnet18", "timm:lambda_resnet26t", "timm:focalnet_tiny_srf",
        "timm:inception_next_atto", "timm:resnetv2_50", "timm:gcresnet33ts", "timm:halonet26t",
        "timm:botnet26t_256", "timm:efficientformer_l1", "timm:ghostnetv3_100", "timm:csatv2",
        "timm:shvit_s1",
    ),
}  # fmt: skip
FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names}
GPUS = ("8.6", "8.9")  # of GeForce 30 and 40
EVERY_GPU = ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")
BUILT_FOR_EVERY_GPU = {"resnet50", "timm:tf_efficientnet_lite0", "vit_b_16"}
PICTURES = 8
LIMIT_S = 300  # a build that takes longer is listed as not run


def measure(
    name: str, pictures: PictureList, folder: Path, *, threads: int, image_size: int | None = None
) -> dict[str, Any]:
    """Export, reduce and build one network; a refusal is a figure too."""
    family = FAMILY_OF.get(name, "others")
    started = perf_counter()
    try:
        subject = warmed(name, pictures, image_size)
        bundle = write_files(subject, pictures, folder)
    except CdulEdgeError as error:
        return {"family": family, "refused": str(error)}
    manifest = bundle.manifest
    files = {each: bundle.folder / each.file_name for each in PRECISIONS}
    found: dict[str, Any] = {
        "family": family,
        "parameters": sum(values.numel() for values in subject.network.parameters()),
        "side_px": subject.preprocess.height_px,
        "opset": manifest.graph.opset,
        "newer_operators": list(manifest.graph.newer_operators),
        "parity_max_error": manifest.parity.max_error,
        "export_seconds": round(perf_counter() - started, 1),
        "nodes": {each.value: len(onnx.load(files[each]).graph.node) for each in files},
        "builds": {each.value: asdict(build(files[each], each, GPUS, threads)) for each in files},
    }
    if name in BUILT_FOR_EVERY_GPU:
        half = Precision.FP16
        found["every_gpu"] = asdict(build(files[half], half, EVERY_GPU, threads))
    return found


def write_files(subject: Subject, pictures: PictureList, folder: Path) -> Bundle:
    """A bundle with its FP16 and INT8 files; the latter with every layer in INT8."""
    reference = choose_reference(pictures, subject.preprocess, count=2)
    bundle = write_bundle(subject, reference, folder)
    path = bundle.model_path()
    model = onnx.load(path)
    name_nodes(model)
    ranges = measure_ranges(path, lambda: iter([reference.inputs]))
    half = to_fp16(model, find_fp16_hazards(model, ranges))
    onnx.save(half, bundle.folder / Precision.FP16.file_name)
    onnx.save(quantize_for_tensorrt(model, ranges), bundle.folder / Precision.INT8.file_name)
    return bundle


def build(file: Path, precision: Precision, gpus: Sequence[str], threads: int) -> Build:
    """What `benchmarks.tensorrt_compiler` finds, or why it found nothing."""
    words = [str(file), precision.value, ",".join(gpus), str(threads)]
    command = [sys.executable, "-m", "benchmarks.tensorrt_compiler", *words]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        fault = f"not run: over {LIMIT_S} s"
    else:
        if not run.returncode:
            return parse_record(Build, json.loads(run.stdout.splitlines()[-1]))
        last = (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1]
        fault = f"the compiler's process died: {last}"
    return Build(tuple(gpus), file.stat().st_size, message=fault)


def measured_before(path: Path) -> dict[str, Any]:
    """The networks of a result file, where the same TensorRT built them."""
    if not path.is_file():
        return {}
    content = read_json(path)
    here = installed_versions(PACKAGE)
    there = {PACKAGE: content["versions"].get(PACKAGE)}
    figures: dict[str, Any] = content["figures"] if here == there else {}
    return figures


def tell(name: str, found: dict[str, Any]) -> str:
    """One line a network."""
    if "refused" in found:
        return f"{name}: not exported: {found['refused']}"
    told = [
        f"{precision} {one['seconds']:.1f} s, {one['fusion']['kernels']} kernels"
        if one["built"]
        else f"{precision} REFUSED: {one['message']}"
        for precision, one in found["builds"].items()
    ]
    return f"{name}: {'; '.join(told)}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", metavar="NAME", help="only these, also others")
    parser.add_argument("--again", action="store_true", help="build what was built before too")
    parser.add_argument(
        "--quick", action="store_true", help="clip:demo at 32 px, to try this script"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result file")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    if PACKAGE not in installed_versions(PACKAGE):
        sys.exit(f'{NAME}: TensorRT for RTX is not installed: pip install "cdul-edge[rtx]"')
    if options.quick and options.out == RESULTS:
        sys.exit(f"{NAME}: --quick needs --out: the committed figures are of the whole size")
    names = ["clip:demo"] if options.quick else options.networks or list(FAMILY_OF)
    figures = {} if options.again else measured_before(options.out / f"{NAME}.json")
    with tempfile.TemporaryDirectory() as temporary:
        world = paint_world(Path(temporary, "world"), train=PICTURES, heldout=1, seed=0)
        pictures = find_images(world.train)
        for number, name in enumerate(names):
            if name in figures:
                print(f"{name}: built before, kept (--again builds it again)", flush=True)
                continue
            folder = Path(temporary, str(number))
            size = 32 if options.quick else None
            figures[name] = measure(
                name, pictures, folder, threads=options.threads, image_size=size
            )
            print(tell(name, figures[name]), flush=True)
            ordered = [each for each in FAMILY_OF if each in figures]
            ordered += [each for each in figures if each not in FAMILY_OF]
            figures = {each: figures[each] for each in ordered}
            record(NAME, figures, threads=options.threads, folder=options.out)


if __name__ == "__main__":
    main()

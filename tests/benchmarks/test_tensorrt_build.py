"""NVIDIA's compiler on a network of ours, and what its log says it made of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks import tensorrt_build
from benchmarks.nvidia_compiler import Kernel, Tensor
from benchmarks.tables import builds, markdown
from benchmarks.tensorrt_compiler import Build, Fusion, count_fusion
from cdul_edge_runtime.bundle.manifest import Precision

pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")

PRECISIONS = ("fp32", "fp16", "int8")


def kernel(kind: str, reads: str, weights: str, writes: str, *nodes: str) -> Kernel:
    read, constant, written = (Tensor(one, (1, 8, 4, 4)) for one in (reads, weights, writes))
    return Kernel(f"{kind} 1", kind, (read,), (constant,), (written,), nodes)


def test_kernels_tell_what_was_fused() -> None:
    operators = {
        "cast": "Cast", "mul": "Mul", "q": "QuantizeLinear", "dq": "DequantizeLinear",
        "first": "Conv", "second": "Conv", "third": "Conv", "relu": "Relu", "mean": "ReduceMean",
    }  # fmt: skip
    kernels = [
        kernel("kgen", "UInt8", "Float", "Int8", "cast", "mul", "q"),
        kernel("correlation", "Int8", "Int8", "Float", "first", "dq"),
        kernel("kgen", "Float", "Float", "Float", "first", "mean"),  # the bias of the first
        kernel("correlation", "Float", "Float", "Float", "second", "relu"),
        kernel("runtime_fusion", "Int8", "Float", "Float", "third", "relu"),
    ]
    assert count_fusion(kernels, operators) == Fusion(
        kernels=5,
        kinds={"kgen": 2, "correlation": 2, "runtime_fusion": 1},
        named=5,
        convolutions=3,
        convolutions_fused=2,
        convolutions_in_int8=1,
        rounding_kernels=1,
    )


def test_three_precisions_are_built_once_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensorrt_build.main(["--quick", "--out", str(tmp_path)])
    content = json.loads((tmp_path / "tensorrt_build.json").read_text())
    assert "tensorrt-rtx-cu13" in content["versions"]
    builds: dict[str, dict[str, Any]] = content["figures"]["clip:demo"]["builds"]
    assert {name: (one["parsed"], one["built"]) for name, one in builds.items()} == dict.fromkeys(
        PRECISIONS, (True, True)
    )
    # the demo's ModifiedResNet: a stem of three convolutions, six blocks of three, four shortcuts
    fusions = {name: one["fusion"] for name, one in builds.items()}
    assert [one["convolutions"] for one in fusions.values()] == [25] * 3
    assert fusions["int8"]["convolutions_in_int8"] == 25
    assert builds["fp16"]["onnx_bytes"] < builds["fp32"]["onnx_bytes"]
    capsys.readouterr()
    tensorrt_build.main(["--quick", "--out", str(tmp_path)])
    assert "clip:demo: built before, kept" in capsys.readouterr().out


def test_a_file_that_nvidia_refuses_stands_there_with_its_message(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    found = tensorrt_build.build(tmp_path / "model.onnx", Precision.FP32, ("8.9",), threads=1)
    assert (found.parsed, found.built, found.gpus) == (False, False, ("8.9",))
    assert "onnx" in found.message.lower()


def test_a_first_look_does_not_overwrite_the_figures() -> None:
    with pytest.raises(SystemExit, match="--quick needs --out"):
        tensorrt_build.main(["--quick"])


def test_what_was_refused_stands_above_the_table_of_the_largest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (markdown, builds):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    assert builds.draw_builds() == builds.draw_all_builds() == ""
    fusion = Fusion(9, {}, 9, 4, 3, 4, 0)
    built = Build(("8.9",), 2_000_000, True, True, cpu_seconds=0.25, peak_mib=300.4,
                  engine_bytes=3_000_000, layers=20, fusion=fusion)  # fmt: skip
    found = {
        name: {"family": "A", "parameters": size, "builds": dict.fromkeys(PRECISIONS, one)}
        for name, size, one in (
            ("small", 1, asdict(built)),
            ("large", 2, asdict(built)),
            ("larger", 3, asdict(Build(("8.9",), 1, message="no Col2Im"))),
        )
    }
    (tmp_path / "tensorrt_build.json").write_text(json.dumps({"figures": found}))
    shown = builds.draw_builds()
    assert "3 networks, 9 files: 6 built" in shown
    assert "8 of 8 convolutions of the int8 files" in shown
    assert "`larger` fp32: no Col2Im" in shown
    assert "resnet50" not in shown
    assert (
        "| `large` | 2/2/2 | 3/3/3 | 0.2/0.2/0.2 | 300/300/300 | 20/20/20 | 9/9/9 | 4 | 3/3/3 |"
        in shown
    )
    assert "`small` |" not in shown
    assert "`small` |" in builds.draw_all_builds()
    every = asdict(Build(tuple("abc"), 1, True, True, cpu_seconds=0.5, engine_bytes=3_030_000))
    found = {"resnet50": {**found["large"], "every_gpu": every}}
    (tmp_path / "tensorrt_build.json").write_text(json.dumps({"figures": found}))
    told = "for 3 GPU generations in place of 1, 0.5 s and an engine 1.0 % larger"
    assert told in builds.draw_builds()

"""Engines by TensorRT for RTX itself, which needs no GPU to build one."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cdul_edge_export import BuildRequest
from cdul_edge_export import build as build_bundle
from cdul_edge_export.engines import engine
from cdul_edge_export.engines.compute_capabilities import GpuSet, known_capabilities
from cdul_edge_export.engines.engine import build_engine, build_engines
from cdul_edge_export.engines.engine_config import BuildSettings
from cdul_edge_export.engines.engine_target import EngineTarget, rtx_target
from cdul_edge_export.engines.interruption import deferred_interrupt
from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt.cudart import CudaRuntime
from cdul_edge_runtime.backends.trt.engine_choice import find_engine
from cdul_edge_runtime.backends.trt.engine_stamp import EngineStamp, StampedEngine
from cdul_edge_runtime.backends.trt.library import Messages, collect_messages, import_tensorrt
from cdul_edge_runtime.backends.trt.platform import GpuPlatform
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from tests.fakes.conv_bundle import write_conv_bundle
from tests.fakes.fake_cuda import FakeLibcudart

trt: Any = pytest.importorskip("tensorrt_rtx", reason="no TensorRT for RTX on this platform")

VERSION: str = trt.__version__
ADA = GpuPlatform(VERSION, "RTX 4090", "8.9", 128, platform.machine(), "rtx")
PRECISIONS = (Precision.FP32, Precision.FP16, Precision.INT8)


def target(*names: str, cuda: CudaRuntime | None = None) -> EngineTarget:
    return rtx_target(import_tensorrt("rtx"), names, cuda)


def build(
    bundle: Bundle,
    *names: str,
    precision: Precision = Precision.FP16,
    force: bool = False,
    **options: Any,
) -> StampedEngine:
    return build_engine(bundle, BuildSettings(precision, **options), target(*names), force=force)


def files(bundle: Bundle) -> set[str]:
    return {path.name for path in (bundle.folder / "engines").glob("*")}


@pytest.fixture
def conv_bundle(bundle: Path) -> Bundle:
    return write_conv_bundle(bundle)


def test_every_precision_is_built_for_every_gpu_from_ampere_on(
    conv_bundle: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in conv_bundle.folder.iterdir()}
    result = build_bundle(BuildRequest(conv_bundle.folder, flavor="rtx", for_gpus=("all",)))
    assert [one.stamp.precision for one in result.engines] == list(PRECISIONS)
    for one in result.engines:
        stem = f"{one.stamp.precision.value}-rtx{VERSION}-all"
        assert one.path.name == f"{stem}.engine"
        assert one.path.stat().st_size == one.stamp.bytes > 10_000
        assert EngineStamp.read(one.path.with_suffix(".json")) == one.stamp
        assert (one.stamp.flavor, one.stamp.newer_gpus) == ("rtx", True)
        assert one.stamp.compute_capabilities[:3] == ("8.0", "8.6", "8.9")
        assert one.stamp.profile == Profile(1, 1, 8)
        assert one.stamp.build["seconds"] > 0
        source = conv_bundle.model_sha256(one.stamp.precision)
        assert one.faults(source, ADA) == []
        log = one.path.with_suffix(".log").read_text()
        assert "Engine generation completed" in log
        assert "[verbose] Layers:\nName: " in log
        assert "cudaError" not in log
    after = {p.name: p.read_bytes() for p in conv_bundle.folder.iterdir() if p.is_file()}
    assert after == before
    assert not any(name.endswith(".cache") for name in files(conv_bundle))
    assert capfd.readouterr() == ("", "")


def test_int8_convolutions_stay_int8_in_the_layers_that_the_log_lists(conv_bundle: Bundle) -> None:
    log = build(conv_bundle, "sm89", precision=Precision.INT8).path.with_suffix(".log").read_text()
    (convolution,) = [line for line in log.splitlines() if "LayerType: correlation" in line]
    assert convolution.count("Datatype: Int8") >= 2


@pytest.mark.parametrize("capability", known_capabilities(import_tensorrt("rtx")))
def test_fp16_is_built_for_every_gpu_that_the_module_names(
    capability: str, conv_bundle: Bundle
) -> None:
    stamp = build(conv_bundle, capability).stamp
    assert stamp.compute_capabilities == (capability,)
    assert stamp.misfits(replace(ADA, compute_capability=capability)) == []


def test_engines_for_other_gpus_lie_side_by_side_and_the_closest_is_found(
    conv_bundle: Bundle,
) -> None:
    for names in (("all",), ("sm86", "sm89"), ("sm86",)):
        build(conv_bundle, *names)
    stem = f"fp16-rtx{VERSION}"
    assert {f"{stem}-all.engine", f"{stem}-sm86-sm89.engine"} < files(conv_bundle)
    found = {
        capability: find_engine(
            conv_bundle, Precision.FP16, replace(ADA, compute_capability=capability)
        ).path.stem.removeprefix(stem)
        for capability in ("8.6", "8.9", "12.0", "13.0")
    }
    assert found == {"8.6": "-sm86", "8.9": "-sm86-sm89", "12.0": "-all", "13.0": "-all"}
    with pytest.raises(BundleError) as raised:
        find_engine(conv_bundle, Precision.FP16, replace(ADA, gpu="T4", compute_capability="7.5"))
    assert f"has no fp16 engine for TensorRT for RTX {VERSION} on T4: " in str(raised.value)
    assert "-sm86.engine (built for compute capability 8.6, here is T4" in str(raised.value)
    assert "--precision fp16 --flavor rtx --force`" in str(raised.value)
    with pytest.raises(CdulEdgeError, match=r"-sm86\.engine exists: replace it with --force"):
        build(conv_bundle, "SM86")
    assert build(conv_bundle, "SM86", force=True).path.name == f"{stem}-sm86.engine"


def test_with_a_gpu_the_engine_is_for_it_and_says_so(conv_bundle: Bundle) -> None:
    cuda = CudaRuntime(FakeLibcudart("NVIDIA GeForce RTX 4090", (8, 9)))
    made = build_engine(conv_bundle, BuildSettings(Precision.FP16), target(cuda=cuda))
    assert made.path.name == f"fp16-rtx{VERSION}-sm89.engine"
    assert made.stamp.platform.gpu == "NVIDIA GeForce RTX 4090"
    assert made.stamp.compute_capabilities == ("8.9",)
    assert made.stamp.misfits(replace(ADA, compute_capability="8.6")) != []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version_compatible": True}, "on the version that built it and on no other: leave --ver"),
        ({"hardware_compatible": True}, "name them with --for, and leave --hardware-compatible"),
        ({"optimization_level": 5}, "whatever the optimization level: leave it out"),
        ({"workspace_mib": 1, "profile": Profile(1, 1, 60000)}, "with a larger --workspace than 1"),
        ({"profile": Profile(1, 1, 3 << 30)}, r"refuses batches of \(1, 1, 3221225472\) pictures"),
        ({"profile": Profile(1, 1, 1 << 70)}, "give a smaller --batch-max"),
    ],
)
def test_an_option_that_does_nothing_or_too_little_is_refused(
    options: dict[str, Any], message: str, conv_bundle: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        build(conv_bundle, "sm89", **options)
    assert not any(name.endswith((".engine", ".json")) for name in files(conv_bundle))
    assert capfd.readouterr() == ("", "")


def test_what_turing_cannot_do_is_said_and_the_rest_is_built(
    conv_bundle: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    wanted = [BuildSettings(precision) for precision in PRECISIONS]
    with pytest.raises(CdulEdgeError) as raised:
        build_engines(conv_bundle, wanted, target("sm75"))
    text = str(raised.value)
    assert "built no fp32/int8 engine (" in text  # the reason of both stands once
    assert text.count("FP32 GEMM") == 1
    assert "for Turing (SM75): FP32 GEMM is not supported" in text
    assert "Turing (sm75) takes --precision fp16 only" in text
    assert text.endswith(f"; built all the same: fp16-rtx{VERSION}-sm75.engine")
    assert "/_src/" not in text
    assert find_engine(
        conv_bundle, Precision.FP16, replace(ADA, compute_capability="7.5")
    ).path.name.endswith("-sm75.engine")
    assert capfd.readouterr() == ("", "")


def test_a_graph_that_the_parser_refuses_is_one_line_with_its_node(
    conv_bundle: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    onnx = pytest.importorskip("onnx")
    path = conv_bundle.model_path(Precision.INT8)
    model = onnx.load(path)
    bias = next(
        one for node in model.graph.node if node.op_type == "Conv" for one in node.input[2:]
    )
    quantized = [
        onnx.numpy_helper.from_array(np.ones(16, np.int32), "quantized_bias"),
        onnx.numpy_helper.from_array(np.array(0.1, np.float32), "bias_scale"),
    ]
    model.graph.initializer.extend(quantized)
    kept = [one for one in model.graph.initializer if one.name != bias]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    names = [one.name for one in quantized]
    node = onnx.helper.make_node("DequantizeLinear", names, [bias], name="bias_of_cpus")
    model.graph.node.insert(0, node)
    onnx.save(model, path)
    record = conv_bundle.record(Precision.INT8)
    replace(record, sha256=sha256(path.read_bytes()).hexdigest()).write(conv_bundle.folder)
    with pytest.raises(CdulEdgeError) as raised:
        build(Bundle.load(conv_bundle.folder), "sm89", precision=Precision.INT8)
    text = str(raised.value)
    assert f"cannot read {path} (DequantizeLinear 'bias_of_cpus' (node 0): " in text
    assert "Int32" in text
    assert "cudaError" not in text
    assert "\n" not in text
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_no_onnx_is_refused_with_the_parsers_words(
    conv_bundle: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    path = conv_bundle.model_path(Precision.FP16)
    path.write_bytes(b"no graph")
    record = conv_bundle.record(Precision.FP16)
    replace(record, sha256=sha256(b"no graph").hexdigest()).write(conv_bundle.folder)
    with pytest.raises(CdulEdgeError, match=r"cannot read .*model\.fp16\.onnx \(") as raised:
        build(Bundle.load(conv_bundle.folder), "sm89")
    assert "node -1" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_a_bundle_whose_name_is_no_text_is_built(conv_bundle: Bundle) -> None:
    strange = conv_bundle.folder.with_name(os.fsdecode(b"b\xff n"))
    conv_bundle.folder.rename(strange)
    assert build(Bundle.load(strange), "sm89").path.parent == strange / "engines"


def test_several_gpus_get_one_engine(conv_bundle: Bundle) -> None:
    gpus = (("NVIDIA RTX A4000", (8, 6)), ("NVIDIA H100", (9, 0)))
    cuda = CudaRuntime(FakeLibcudart("NVIDIA GeForce RTX 4090", (8, 9), others=gpus))
    assert target(cuda=cuda).gpus == GpuSet(("8.6", "8.9"))


def test_an_interruption_ends_the_build_at_once_and_leaves_its_log(
    conv_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """NVIDIA's bindings swallow what is raised in a callback, and Ctrl-C comes in one."""
    kept = build(conv_bundle, "sm89").path.read_bytes()

    class Interrupted(deque[tuple[int, str]]):
        def append(self, line: tuple[int, str]) -> None:
            super().append(line)
            if "Compiler backend is used during engine build" in line[1]:
                os.kill(os.getpid(), signal.SIGINT)

    def collect(module: Any) -> Messages:
        messages = collect_messages(module)
        messages.lines = Interrupted()
        return messages

    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(engine, "collect_messages", collect)
        build(conv_bundle, "sm89", force=True)
    assert signal.getsignal(signal.SIGINT) is before
    found = find_engine(conv_bundle, Precision.FP16, ADA)
    assert found.path.read_bytes() == kept
    assert "Build canceled by user" in found.path.with_suffix(".log").read_text()
    assert capfd.readouterr() == ("", "")


def test_ctrl_c_stays_ignored_where_it_was_and_threads_build_too(conv_bundle: Bundle) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred_interrupt() as stop:
            os.kill(os.getpid(), signal.SIGINT)
        assert not stop.asked
    finally:
        signal.signal(signal.SIGINT, before)
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda name: build(conv_bundle, name), ["sm86", "sm89"])
    assert len({engine.path for engine in made}) == 2


@pytest.mark.parametrize("full_at", [".engine", ".json", ".log"])
def test_a_full_disk_keeps_the_engine_that_was_to_be_replaced(
    full_at: str, conv_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(conv_bundle, "sm89")
    for method in ("write_bytes", "write_text"):
        original = getattr(Path, method)

        def write(path: Path, content: Any, _original: Any = original, **options: Any) -> int:
            if f"{full_at}." in path.name:
                _original(path, content[: len(content) // 2], **options)
                raise OSError(errno.ENOSPC, "No space left on device")
            written: int = _original(path, content, **options)
            return written

        monkeypatch.setattr(Path, method, write)
    with pytest.raises(OSError, match="No space left"):
        build(conv_bundle, "sm89", force=True)
    stem = f"fp16-rtx{VERSION}-sm89"
    assert files(conv_bundle) == {f"{stem}{suffix}" for suffix in (".engine", ".json", ".log")}
    find_engine(conv_bundle, Precision.FP16, ADA)


def test_a_changed_or_truncated_engine_is_refused_with_the_command_that_mends_it(
    conv_bundle: Bundle,
) -> None:
    made = build(conv_bundle, "sm89")
    made.path.write_bytes(made.path.read_bytes()[:-100])
    for refused in (lambda: made.read(ADA), lambda: find_engine(conv_bundle, Precision.FP16, ADA)):
        with pytest.raises(BundleError, match=r"was changed.*cdul-edge build .*--force"):
            refused()


@pytest.mark.parametrize("missing", ["tensorrt_rtx_libs", "tensorrt_rtx_bindings"])
def test_a_wheel_without_its_libraries_is_one_line(
    missing: str, conv_bundle: Bundle, tmp_path: Path
) -> None:
    """A copy of the wheel, with an empty package in place of one of its two parts."""
    site = Path(trt.__file__).parents[1]
    for name in ("tensorrt_rtx", "tensorrt_rtx_libs", "tensorrt_rtx_bindings"):
        if name == "tensorrt_rtx_libs" or name == missing:
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").touch()
        else:
            shutil.copytree(site / name, tmp_path / name)
    code = "from cdul_edge.cli import app; app()"
    answer = subprocess.run(
        [sys.executable, "-c", code, "build", str(conv_bundle.folder), "--flavor", "rtx"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
    )
    assert (answer.returncode, answer.stdout) == (2, "")
    (line,) = answer.stderr.splitlines()
    assert "tensorrt_rtx is installed but does not load (" in line
    assert line.endswith("pip install --force-reinstall tensorrt-rtx-cu13")
    assert not files(conv_bundle)

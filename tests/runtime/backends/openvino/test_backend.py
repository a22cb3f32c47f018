"""The real library on this CPU: scores, threads, precisions, and every refusal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from cdul_edge_runtime.backends.openvino.backend import OpenVinoBackend
from cdul_edge_runtime.backends.openvino.graph import read_graph
from cdul_edge_runtime.backends.openvino.library import import_openvino
from cdul_edge_runtime.backends.openvino.units import cpu_computes_bf16, describe_unit
from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.device_choice import CpuThreads
from cdul_edge_runtime.errors import BundleError, CdulEdgeError, DeviceError
from cdul_edge_runtime.host.machine import cpu_has
from tests.conftest import build_graph, expected_scores
from tests.fakes.blown_graph import write_blown_graph
from tests.fakes.conv_bundle import expected, write_conv_bundle
from tests.fakes.noise import pictures
from tests.fakes.openvino_agreement import needs_openvino

pytestmark = needs_openvino
MODEL = "model.fp32.onnx"
# oneDNN's own variable, which the hostile run sets
LIMITED = "ONEDNN_MAX_CPU_ISA" in os.environ
# A CPU without them adds 8-bit products up in 16 bits, which may overflow.
EXACT = not LIMITED and (cpu_has("avx512_vnni") or cpu_has("avx_vnni"))


@pytest.mark.parametrize(
    ("precision", "within"),
    [(Precision.FP32, 1e-6), (Precision.FP16, 2e-3), (Precision.INT8, 1e-3 if EXACT else 5e-2)],
)
def test_every_file_gives_what_numpy_works_out(
    precision: Precision, within: float, bundle: Path
) -> None:
    made, images = write_conv_bundle(bundle), pictures(5)
    with Classifier.load(made, device="openvino", precision=precision.value) as classifier:
        for count in (1, 5, 2):
            scores = classifier.backend.infer(images[:count])
            assert (scores.shape, scores.dtype.name) == ((count, 3), "float32")
            assert np.abs(scores - expected(images[:count], precision)).max() <= within


@pytest.mark.skipif(
    LIMITED, reason="oneDNN is told to use less than the CPU has, which OpenVINO does not see"
)
def test_bf16_rounds_where_the_cpu_has_it_and_is_refused_elsewhere(bundle: Path) -> None:
    made, images = write_conv_bundle(bundle), pictures(64)
    if not cpu_computes_bf16():
        with pytest.raises(CdulEdgeError, match=r"bf16 was asked for, and openvino .*: give pr"):
            Classifier.load(made, device="openvino", precision="bf16")
        return
    with Classifier.load(made, device="openvino", precision="bf16") as classifier:
        apart = np.abs(classifier.backend.infer(images) - expected(images, Precision.FP32)).max()
    # of its 8 bits, the last is worth 1/256: FP32 would be within 1e-6, and no bf16 that exactly
    assert 1e-5 < apart < 3e-2


def test_it_agrees_with_onnx_runtime_and_describes_itself(bundle: Path) -> None:
    ours, theirs = OpenVinoBackend(bundle / MODEL), OrtBackend(bundle / MODEL)
    images = pictures(4)
    assert np.abs(ours.infer(images) - theirs.infer(images)).max() < 1e-6
    assert (ours.metadata, ours.input_shape) == (theirs.metadata, theirs.input_shape)
    assert (ours.class_count, ours.max_batch, ours.device_memory_mib) == (3, None, None)
    version = import_openvino().__version__.partition("-")[0]
    assert ours.name == f"openvino {version}, CPU"


def test_a_bare_file_runs_and_the_selection_says_where(bundle: Path) -> None:
    with Classifier.load(bundle / MODEL, device="openvino") as classifier:
        assert str(classifier.selection) == "fp32 on openvino (as asked)"
        picture = np.full((8, 8, 3), (255, 0, 0), np.uint8)
        assert classifier.predict(picture).labels == ["red"]


def test_pixels_may_be_read_only_or_lie_anyhow(bundle: Path) -> None:
    backend, images = OpenVinoBackend(bundle / MODEL), pictures(3)
    scores = expected_scores(images)
    frozen = images.copy()
    frozen.setflags(write=False)
    for given in (frozen, images[::-1][::-1], np.asfortranarray(images), np.frombuffer(
        images.tobytes(), np.uint8
    ).reshape(images.shape)):  # fmt: skip
        before = given.copy()
        assert np.abs(backend.infer(given) - scores).max() < 1e-6
        assert (given == before).all()


def test_scores_are_the_callers_own(bundle: Path) -> None:
    backend, images = OpenVinoBackend(bundle / MODEL), pictures(2)
    first = backend.infer(images[:1])
    kept = first.copy()
    backend.infer(images[1:])
    assert (first == kept).all()
    first[:] = 7
    assert (backend.infer(images[:1]) == kept).all()


@pytest.mark.parametrize("inter_threads", [1, 2])
def test_threads_share_one_model(inter_threads: int, bundle: Path) -> None:
    backend = OpenVinoBackend(bundle / MODEL, threads=CpuThreads(1, inter_threads))
    images = pictures(40)
    parts = [images[n : n + 1 + n % 3] for n in range(37)] * 4
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(backend.infer, parts))
    for part, scores in zip(parts, found, strict=True):
        assert np.abs(scores - expected_scores(part)).max() < 1e-6


def test_closing_is_final_and_waits_for_nobody(bundle: Path) -> None:
    backend = OpenVinoBackend(bundle / MODEL)
    backend.infer(pictures(1))
    backend.close()
    backend.close()
    with pytest.raises(CdulEdgeError, match="this OpenVINO model was closed: load it again"):
        backend.infer(pictures(1))


@pytest.mark.parametrize(
    ("unit", "advice"),
    [
        ("GPU.7", "install Intel's compute runtime|give one of these"),
        ("NPU.7", "install Intel's NPU driver|give one of these"),
    ],
)
def test_a_unit_that_is_not_here_is_told_with_those_that_are(
    unit: str, advice: str, bundle: Path
) -> None:
    with pytest.raises(CdulEdgeError, match=advice) as caught:
        Classifier.load(bundle, device=f"openvino:{unit}", precision="fp32")
    message = str(caught.value)
    assert message.startswith(f"openvino:{unit} was asked for, and OpenVINO 2")
    assert " sees only CPU" in message
    assert message.endswith("; `cdul-edge doctor` shows what is here")


def _without_metadata(model: Any) -> None:
    del model.metadata_props[:]


def _with_floats(model: Any) -> None:
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def _with_another_name(model: Any) -> None:
    model.graph.input[0].name = model.graph.node[0].input[0] = "x"


def _with_open_height(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "height"


def _with_another_operator(model: Any) -> None:
    model.graph.node[-1].op_type, model.graph.node[-1].domain = "Sigmoid", "of.nobody"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without_metadata, "carries no cdul-edge manifest"),
        (_with_floats, r"has images: f32\[None, 8, 8, 3\]; scores: f32\[None, 3\]: expected imag"),
        (_with_another_name, r"has x: u8\[None, 8, 8, 3\]"),
        (_with_open_height, r"has images: u8\[None, None, 8, 3\]"),
        (_with_another_operator, "is not a model that OpenVINO can load .*of.nobody"),
    ],
)
def test_a_graph_that_is_none_of_ours_is_refused_in_one_line(
    change: Callable[[Any], None], message: str, tmp_path: Path
) -> None:
    model = build_graph({"a": "b"})
    change(model)
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(BundleError, match=message) as caught:
        Classifier.load(tmp_path / "m.onnx", device="openvino")
    assert "\n" not in str(caught.value)
    assert ".cpp" not in str(caught.value)


def test_metadata_that_is_no_text_is_told(tmp_path: Path) -> None:
    content = build_graph({"cdul_edge": "b" * 9}).SerializeToString()
    assert content.count(b"b" * 9) == 1
    (tmp_path / "m.onnx").write_bytes(content.replace(b"b" * 9, b"\xff" * 9))
    with pytest.raises(BundleError, match=r"m\.onnx (holds metadata that is not UTF-8|is not a m)"):
        Classifier.load(tmp_path / "m.onnx", device="openvino")


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x08", b"<net/>", b"\0" * 999])
def test_what_is_no_model_is_refused_in_one_line(
    content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(content)
    with pytest.raises(BundleError, match=r"m\.onnx (is not a model|has )") as caught:
        Classifier.load(model, device="openvino")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""
    with pytest.raises(BundleError, match="does not exist: check the path"):
        OpenVinoBackend(tmp_path / "gone.onnx")


@pytest.mark.parametrize("threads", [1, 2])
def test_too_little_memory_is_a_device_error_whatever_the_threads(
    threads: int, tmp_path: Path
) -> None:
    backend = OpenVinoBackend(write_blown_graph(tmp_path / "m.onnx"), threads=CpuThreads(threads))
    for _ in range(2):
        with pytest.raises(DeviceError, match=r"not enough memory for a batch of 1 picture of"):
            backend.infer(pictures(1))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_smaller_batch_runs_after_one_that_memory_was_too_little_for(
    threads: int, tmp_path: Path
) -> None:
    model = write_blown_graph(tmp_path / "m.onnx", times=300)  # 69 MB for each picture
    backend = OpenVinoBackend(model, threads=CpuThreads(threads))
    with pytest.raises(DeviceError, match=r"not enough memory for a batch of 20000 pictures of"):
        backend.infer(np.zeros((20000, 8, 8, 3), np.uint8))
    for level, score in ((255, 0.983), (0, 0.018)):  # sigmoid(4), sigmoid(-4)
        scores = backend.infer(np.full((1, 8, 8, 3), level, np.uint8))
        assert scores == pytest.approx(np.full((1, 3), score), abs=1e-3)


@pytest.mark.parametrize(
    ("told", "computes"),
    [("AVX2", False), ("avx512_core_vnni", False), ("AVX512_CORE_BF16", True), ("ALL", True)],
)
def test_bf16_is_not_offered_where_onednn_is_told_to_do_without(
    told: str, computes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Able:
        @property
        def available_devices(self) -> list[str]:
            return ["CPU", "GPU"]

        def get_property(self, device_name: str, property: str) -> object:
            return "a CPU" if property == "FULL_DEVICE_NAME" else ["FP32", "BF16", "INT8"]

    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", told)
    able = ["FP32", "BF16", "INT8"] if computes else ["FP32", "INT8"]
    assert describe_unit(Able(), "CPU") == ("a CPU", able)
    assert "BF16" in describe_unit(Able(), "GPU")[1]


def test_a_build_that_cannot_read_onnx_says_so(tmp_path: Path, bundle: Path) -> None:
    class Readers:
        def get_available_front_ends(self) -> list[str]:
            return ["ir"]

    class Library:
        __version__ = "2026.4.1"

        class frontend:
            FrontEndManager = Readers

    with pytest.raises(CdulEdgeError, match=r"OpenVINO 2026\.4\.1 here cannot read ONNX files"):
        read_graph(Library, bundle / MODEL)  # type: ignore[arg-type]


def test_fp32_on_a_cpu_leaves_nothing_in_the_bundle(bundle: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    before = sorted(path.name for path in copy.rglob("*"))
    with Classifier.load(copy, device="openvino", precision="fp32") as classifier:
        classifier.predict(np.zeros((8, 8, 3), np.uint8))
    assert sorted(path.name for path in copy.rglob("*")) == before


def test_no_pictures_have_no_scores(bundle: Path) -> None:
    backend, images = OpenVinoBackend(bundle / MODEL), pictures(2)
    assert backend.infer(images[:0]).shape == (0, 3)
    assert backend.infer(images).shape == (2, 3)

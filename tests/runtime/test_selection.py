from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cdul_edge_runtime import run_order, selection
from cdul_edge_runtime.backends import Backend
from cdul_edge_runtime.bundle.bundle import ENGINES, Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.choices import Device
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError
from cdul_edge_runtime.host.files import write_json
from cdul_edge_runtime.passed_over import NO_DRIVER
from tests.fakes.fake_rtx import RtxMachine
from tests.fakes.pretended_machine import Fake, Machine

AddPrecision = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Everything is there, until the test takes it away."""
    return Machine(monkeypatch)


@pytest.fixture
def full(bundle: Path, add_precision: AddPrecision) -> Path:
    """A bundle with every precision, and a stamp of some engine."""
    for precision in (Precision.FP16, Precision.INT8, Precision.INT8_CPU):
        add_precision(bundle, precision)
    write_json(bundle / ENGINES / "any.json", {})
    return bundle


def pick(folder: Path, **wish: str) -> tuple[str, str]:
    with Classifier.load(folder, **wish) as classifier:  # type: ignore[arg-type]
        assert classifier.selection is not None
        return classifier.selection.device, classifier.selection.precision.value


def test_auto_goes_down_from_the_fastest_to_fp32_on_the_cpu(full: Path, machine: Machine) -> None:
    order = [
        ("tensorrt", "int8"),
        ("tensorrt", "fp16"),
        ("tensorrt", "fp32"),
        ("tensorrt-rtx", "fp16"),
        ("tensorrt-rtx", "fp32"),
        ("cuda", "fp16"),
        ("cuda", "fp32"),
        ("cpu", "int8-cpu"),
        ("cpu", "fp32"),
    ]
    machine.engines["rtx"] = [1]
    for pair in order:
        assert pick(full) == pair
        machine.broken[pair] = "broken here"
    with pytest.raises(CdulEdgeError, match=r"int8/fp16/fp32, tensorrt-rtx .* int8-cpu/fp32: b"):
        pick(full)
    machine.no_cuda = NO_DRIVER
    (full / ENGINES / "any.json").unlink()
    with pytest.raises(CdulEdgeError, match=r"^broken here$"):  # the floor's own words
        pick(full)


def test_what_was_passed_over_is_told_with_its_reason(full: Path, machine: Machine) -> None:
    machine.no_cuda = "no driver"
    for precision in ("int8", "fp16", "fp32"):
        machine.broken["tensorrt", precision] = "built for Orin"
    with Classifier.load(full) as classifier:
        found = classifier.selection
    assert found is not None
    assert str(found) == (
        "int8-cpu on cpu (passed over tensorrt int8/fp16/fp32: built for Orin; "
        "tensorrt-rtx fp16/fp32: no engine was built; cuda fp16/fp32: no driver)"
    )
    assert found.passed_over[0] == ("tensorrt", Precision.INT8, "built for Orin")


def test_rtx_runs_int8_only_where_it_is_asked_for(full: Path, machine: Machine) -> None:
    machine.engines = {"tensorrt": [], "rtx": [1]}
    assert pick(full) == pick(full, device="tensorrt-rtx") == ("tensorrt-rtx", "fp16")
    assert pick(full, precision="int8") == ("tensorrt-rtx", "int8")
    assert pick(full, precision="int8", device="tensorrt-rtx:3") == ("tensorrt-rtx", "int8")
    with pytest.raises(CdulEdgeError, match="int8-cpu is not for device tensorrt-rtx: expected"):
        pick(full, precision="int8-cpu", device="tensorrt-rtx")


def test_engines_that_were_built_anywhere_are_no_reason_to_look_for_a_gpu_without_a_driver(
    full: Path, machine: Machine
) -> None:
    machine.engines = {"tensorrt": [], "rtx": [1]}
    machine.driver, machine.no_cuda = False, NO_DRIVER
    with Classifier.load(full) as classifier:
        assert str(classifier.selection) == (
            "int8-cpu on cpu (passed over tensorrt int8/fp16/fp32: no engine was built; "
            "tensorrt-rtx fp16/fp32, cuda fp16/fp32: no NVIDIA driver here)"
        )
    assert machine.opened == [("cpu", "int8-cpu")]


def test_an_explicit_wish_is_met_or_is_an_error_and_nothing_takes_its_place(
    full: Path, machine: Machine
) -> None:
    assert pick(full, device="cpu", precision="int8") == ("cpu", "int8")
    assert pick(full, device="ort-tensorrt") == ("ort-tensorrt", "int8")
    assert pick(full, precision="fp16") == ("tensorrt", "fp16")
    machine.broken["cuda", "fp32"] = "no memory"
    machine.opened.clear()
    with pytest.raises(CdulEdgeError, match=r"^no memory$"):
        pick(full, device="cuda", precision="fp32")
    assert machine.opened == [("cuda", "fp32")]
    machine.broken["cuda", "fp16"] = "no half"
    with pytest.raises(
        CdulEdgeError, match="cannot run on cuda: cuda fp16: no half; cuda fp32: no"
    ):
        pick(full, device="cuda")
    with pytest.raises(CdulEdgeError, match="int8-cpu is not for device cuda"):
        pick(full, device="cuda", precision="int8-cpu")


def test_what_is_slow_on_the_cpu_is_never_picked_for_its_precision_alone(
    full: Path, machine: Machine
) -> None:
    machine.no_cuda = "no driver"
    for precision in ("int8", "fp16"):
        machine.broken["tensorrt", precision] = "broken"
        with pytest.raises(CdulEdgeError, match="device cpu runs it slowly"):
            pick(full, precision=precision)


def test_openvino_takes_int8_on_a_cpu_and_fp16_beside_it(full: Path, machine: Machine) -> None:
    record = Bundle.load(full).record(Precision.INT8_CPU)
    replace(record, speed_up=0.5).write(full)  # in ONNX Runtime, which says nothing of OpenVINO
    assert pick(full, device="cpu") == ("cpu", "fp32")
    assert pick(full, device="openvino") == ("openvino", "int8-cpu")
    for unit in ("GPU", "GPU.1", "NPU"):
        assert pick(full, device=f"openvino:{unit}") == ("openvino", "fp16")
        with Classifier.load(full, device=f"openvino:{unit}", precision="int8") as classifier:
            assert str(classifier.selection) == f"int8 on openvino:{unit} (as asked)"
    machine.broken["openvino", "fp16"] = "broken"
    assert pick(full, device="openvino:GPU") == ("openvino", "fp32")


@pytest.mark.parametrize("device", ["cuda", "ort-tensorrt"])
def test_a_gpu_asked_for_without_a_driver_is_told_once_with_the_way_out(
    device: str, full: Path, machine: Machine
) -> None:
    machine.no_cuda = NO_DRIVER
    with pytest.raises(CdulEdgeError, match="no NVIDIA driver here; install the GPU's") as caught:
        pick(full, device=device)
    assert str(caught.value).count("no NVIDIA driver") == 1
    assert machine.opened == []
    assert pick(full, device="cpu") == ("cpu", "int8-cpu")


@pytest.mark.parametrize(
    ("device", "command"),
    [("tensorrt:1", "--flavor tensorrt`"), ("tensorrt-rtx", "--flavor rtx`")],
)
def test_engines_asked_for_before_they_are_built_are_told_with_the_command(
    bundle: Path, device: str, command: str
) -> None:
    with pytest.raises(CdulEdgeError, match="no engine was built; build with `cdul-edge") as told:
        Classifier.load(bundle, device=device)
    assert command in str(told.value)
    assert str(bundle) in str(told.value).partition("build with")[2]


@pytest.mark.parametrize("wish", ["gpu", "CPU", ""])
def test_an_unknown_device_or_precision_is_named_with_those_that_exist(
    bundle: Path, wish: str
) -> None:
    with pytest.raises(
        CdulEdgeError, match="expected auto, cpu, cuda, ort-tensorrt, tensorrt, tens"
    ):
        Classifier.load(bundle, device=wish)
    with pytest.raises(CdulEdgeError, match="expected auto, fp32, bf16, fp16, int8, int8-cpu"):
        Classifier.load(bundle, precision=wish)


@pytest.mark.parametrize("device", ["cpu", "cuda", "ort-tensorrt", "tensorrt", "tensorrt-rtx"])
def test_bf16_is_refused_where_nothing_computes_in_it(bundle: Path, device: str) -> None:
    with pytest.raises(CdulEdgeError, match=f"bf16 is not for device {device}, only openvino"):
        Classifier.load(bundle, device=device, precision="bf16")


def test_a_precision_outside_its_budget_is_passed_over_but_runs_on_request(
    bundle: Path, add_precision: AddPrecision, machine: Machine
) -> None:
    machine.no_cuda = "no driver"
    add_precision(bundle, Precision.INT8_CPU, within_budget=False)
    with Classifier.load(bundle) as classifier:
        assert classifier.selection is not None
        reasons = {(d, p.value): why for d, p, why in classifier.selection.passed_over}
    assert "outside the budget" in reasons["cpu", "int8-cpu"]
    assert pick(bundle) == ("cpu", "fp32")
    assert pick(bundle, precision="int8-cpu") == ("cpu", "int8-cpu")


def test_int8_is_picked_only_on_a_cpu_that_is_fast_at_it(
    bundle: Path, add_precision: AddPrecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_precision(bundle, Precision.INT8_CPU)
    for flags, expected in (([], "fp32"), (["avx2"], "fp32"), (["avx_vnni"], "int8-cpu")):
        Machine(monkeypatch, cpu_flags=flags).no_cuda = "no driver"
        assert pick(bundle) == ("cpu", expected)


def test_a_session_that_starts_and_cannot_run_is_passed_over(
    full: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Fake] = []

    class NoDnn(Fake):
        def infer(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
            raise CdulEdgeError("no cuDNN")

    def open_one(bundle: Bundle, device: Device, precision: Precision, **_: object) -> Backend:
        opened.append(Fake() if device == "cpu" else NoDnn())
        return opened[-1]

    monkeypatch.setattr(selection, "open_backend", open_one)
    with Classifier.load(full, warm_up=False) as classifier:
        assert classifier.selection is not None
        assert classifier.selection.device == "cpu"
        assert ("cuda", Precision.FP16, "no cuDNN") in classifier.selection.passed_over
        assert [backend.closed for backend in opened] == [1] * (len(opened) - 1) + [0]
    assert opened[-1].closed == 1


def test_what_does_not_fit_its_manifest_is_closed(full: Path, machine: Machine) -> None:
    machine.fake.input_shape = (9, 9)
    with pytest.raises(CdulEdgeError, match="takes 9x9 px, the manifest says 8x8"):
        Classifier.load(full)
    assert machine.fake.closed == 1


def test_without_onnx_runtime_the_reason_why_an_engine_does_not_run_is_kept(
    full: Path, machine: Machine
) -> None:
    machine.no_cuda = "onnxruntime-gpu is not installed"
    stale = "no engine for TensorRT 10.3.0: built with TensorRT 8.6.1: build one here with `x`"
    for precision in ("int8", "fp16", "fp32"):
        machine.broken["tensorrt", precision] = stale
    for precision in ("int8-cpu", "fp32"):
        machine.broken["cpu", precision] = "running a model needs onnxruntime"
    with pytest.raises(CdulEdgeError) as raised:
        Classifier.load(full)
    assert f"tensorrt int8/fp16/fp32: {stale}; tensorrt-rtx" in str(raised.value)
    assert str(raised.value).endswith("fp32: running a model needs onnxruntime")


def test_a_pc_that_has_engines_and_no_onnx_runtime_is_told_that_its_driver_is_missing(
    full: Path, machine: Machine
) -> None:
    machine.engines = {"tensorrt": [], "rtx": [1]}
    machine.driver, machine.no_cuda, machine.error = False, NO_DRIVER, MissingExtraError
    machine.broken = {("cpu", p): "needs onnxruntime" for p in ("int8-cpu", "fp32")}
    told = "tensorrt-rtx fp16/fp32, cuda fp16/fp32: no NVIDIA driver here; cpu int8-cpu/fp32: needs"
    with pytest.raises(MissingExtraError, match=told):
        Classifier.load(full)
    machine.engines["rtx"] = []
    with pytest.raises(MissingExtraError, match=r"^needs onnxruntime$"):
        Classifier.load(full)


def test_damaged_stamps_are_named_and_are_not_no_engine(bundle: Path) -> None:
    write_json(bundle / ENGINES / "fp32-orin.json", {"program": "cdul-edge"})
    with Classifier.load(bundle) as classifier:
        assert classifier.selection is not None
        reasons = {d: why for d, _, why in classifier.selection.passed_over if d == "tensorrt"}
    assert "fp32-orin.json is damaged or of another version" in reasons["tensorrt"]
    assert "build again here" in reasons["tensorrt"]
    with pytest.raises(CdulEdgeError, match=r"on tensorrt: .*fp32-orin\.json is damaged"):
        Classifier.load(bundle, device="tensorrt")


def test_a_batch_is_cut_to_what_the_backend_takes(full: Path, machine: Machine) -> None:
    picture = np.zeros((9, 9, 3), np.uint8)
    with Classifier.load(full, warm_up=False) as classifier:
        machine.fake.batches.clear()
        assert len(classifier.predict_batch([picture] * 5)) == 5
        assert machine.fake.batches == [2, 2, 1]
        with pytest.raises(CdulEdgeError, match="at most 2"):
            classifier.predict_inputs(np.zeros((3, 8, 8, 3), np.uint8))


def test_the_real_int8_cpu_file_runs_and_a_changed_one_does_not(
    bundle: Path, add_precision: AddPrecision
) -> None:
    add_precision(bundle, Precision.INT8_CPU, bias=-3)
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    with Classifier.load(bundle, precision="int8-cpu") as classifier:
        expected = 1 / (1 + np.exp(-5))  # 8 * 1 - 3
        assert classifier.predict(red).scores[0] == pytest.approx(expected, abs=1e-6)
    with (bundle / Precision.INT8_CPU.file_name).open("ab") as file:
        file.write(b"x")
    with pytest.raises(CdulEdgeError, match="not the file its record names"):
        Classifier.load(bundle, device="cpu", precision="int8-cpu")


def test_cuda_without_cuda_is_one_line_that_says_how_to_mend_it(bundle: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime knows CUDA")
    for path in (bundle, bundle / "model.fp32.onnx"):
        with pytest.raises(CdulEdgeError, match=r"cuda was asked for.*cdul-edge\[gpu\]") as caught:
            Classifier.load(path, device="cuda", precision="fp32")
        assert "\n" not in str(caught.value)


def test_a_bare_file_has_the_precision_of_its_name(bundle: Path) -> None:
    file = bundle / "model.fp32.onnx"
    assert pick(file) == pick(file, precision="fp32", device="cpu") == ("cpu", "fp32")
    with pytest.raises(CdulEdgeError, match="is fp32 by its name, int8 was asked for"):
        Classifier.load(file, precision="int8")
    renamed = file.rename(bundle / "cats.onnx")
    assert pick(renamed) == ("cpu", "fp32")
    with pytest.raises(CdulEdgeError, match="does not say its precision"):
        Classifier.load(renamed, precision="fp32")
    for device in ("tensorrt", "tensorrt-rtx:1"):
        with pytest.raises(CdulEdgeError, match="has no engines"):
            Classifier.load(renamed, device=device)


def test_a_cpu_machine_pays_nothing_for_gpus(bundle: Path) -> None:
    RtxMachine.make().write_engine(bundle)  # as `export --trt` leaves them on such a machine
    script = (
        "import sys\n"
        "from cdul_edge_runtime import selection\n"
        "selection.nvidia_driver_there = lambda: False\n"
        "from cdul_edge_runtime.classifier import Classifier\n"
        f"Classifier.load({str(bundle)!r})\n"
        "trt = 'cdul_edge_runtime.backends.trt.'\n"
        "loaded = {'tensorrt', 'tensorrt_rtx', trt + 'backend', trt + 'cudart'}\n"
        "assert not loaded & set(sys.modules), loaded & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_where_openvino_alone_is_installed_it_runs_fp32_or_what_is_named(
    full: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {"openvino"}
    monkeypatch.setattr(run_order, "find_spec", lambda name: object() if name in here else None)
    machine.engines["tensorrt"], machine.no_cuda = [], NO_DRIVER
    with Classifier.load(full) as classifier:
        assert str(classifier.selection).startswith("fp32 on openvino (passed over cpu int8-cpu/")
        assert "cpu int8-cpu/fp32: ONNX Runtime is not installed" in str(classifier.selection)
    assert pick(full, precision="int8-cpu") == ("openvino", "int8-cpu")
    here.add("onnxruntime")
    assert pick(full) == ("cpu", "int8-cpu")

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cdul_edge.cli import app
from cdul_edge_runtime.choices import DEVICES
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.device_choice import CpuThreads, DeviceChoice, parse_device
from cdul_edge_runtime.errors import CdulEdgeError


def test_a_device_is_its_kind_and_the_number_of_its_gpu() -> None:
    assert parse_device("auto") == "auto"
    for kind in DEVICES:
        assert parse_device(kind) == DeviceChoice(kind, 0)
    for kind in set(DEVICES) - {"cpu", "openvino"}:
        assert parse_device(f"{kind}:0") == DeviceChoice(kind, 0)
        assert parse_device(f"{kind}:12") == DeviceChoice(kind, 12)


def test_openvino_names_its_units() -> None:
    assert parse_device("openvino") == parse_device("openvino:CPU") == DeviceChoice("openvino")
    for unit in ("GPU", "GPU.0", "GPU.1", "NPU", "NPU.12"):
        assert parse_device(f"openvino:{unit}") == DeviceChoice("openvino", unit=unit)


def test_it_is_written_as_it_is_asked_for() -> None:
    for text in ("cpu", "cuda", "cuda:1", "tensorrt:2", "openvino", "openvino:GPU.1"):
        assert str(parse_device(text)) == text
    assert str(parse_device("cuda:0")) == "cuda"
    assert str(parse_device("openvino:CPU")) == "openvino"


def test_which_ones_compute_on_the_cpu() -> None:
    on_cpu = [text for text in (*DEVICES, "openvino:GPU", "openvino:NPU") if _on_cpu(text)]
    assert on_cpu == ["cpu", "openvino"]


def _on_cpu(text: str) -> bool:
    choice = parse_device(text)
    return choice != "auto" and choice.on_cpu


@pytest.mark.parametrize(
    "text",
    [
        *(
            "openvino:",
            "openvino:1",
            "openvino:gpu",
            "openvino:GPU:1",
            "openvino:GPU.",
            "openvino:",
        ),
        *(
            "openvino:GPU.01",
            "openvino:CPU.0",
            "openvino:AUTO",
            "openvino:MULTI",
            "openvino:GPU,CPU",
        ),
        *("openvino: GPU", "openvino:GPU ", "openvino:GPU\n", "openvino:GPU.1000", "openvino:TPU"),
    ],
)
def test_units_that_openvino_does_not_have(text: str) -> None:
    with pytest.raises(CdulEdgeError) as raised:
        parse_device(text)
    assert str(raised.value) == (
        f"unknown device {text!r}: expected openvino:CPU, openvino:GPU, openvino:NPU, or one of "
        "several as in openvino:GPU.1"
    )


@pytest.mark.parametrize(
    "text",
    [
        *("cuda:", "cuda:-1", "cuda:x", "cuda:1.0", "cuda:1e0", "cuda:0x1", "cuda:01", "cuda:1000"),
        *("cuda: 1", "cuda :1", " cuda", "cuda:1 ", "cuda:1\n", "cuda:\uff11", "cuda:\u00b2"),
        *("CUDA", "CUDA:0", "Tensorrt:1", "cuda1", "cuda-1", "cuda/1", "cuda,1", "cuda:1:1"),
        *("", ":", ":1", "1", "gpu", "gpu:1", "all", "cud", "tensor-rt:1", "ort_tensorrt:1"),
        *(None, 1, True, ["cuda"]),
    ],
)
def test_near_matches_and_nonsense_are_refused_in_one_line(text: Any) -> None:
    with pytest.raises(CdulEdgeError) as raised:
        parse_device(text)
    message = str(raised.value)
    assert message.startswith(f"unknown device {text!r}: expected auto, cpu, cuda, ")
    assert message.endswith("as in cuda:1, whose number follows a colon and counts from 0")


@pytest.mark.parametrize("text", ["cpu:0", "cpu:1", "auto:1"])
def test_what_is_no_gpu_takes_no_number(text: str) -> None:
    kind, number = text.split(":")
    expected = f"^unknown device '{text}': {kind} takes no GPU number: leave :{number} out$"
    with pytest.raises(CdulEdgeError, match=expected):
        parse_device(text)


@pytest.mark.parametrize(
    ("command", "option"), [("predict", "--device"), ("bench", "--device"), ("verify", "--backend")]
)
def test_every_command_that_runs_a_bundle_reads_devices_alike(
    command: str, option: str, bundle: Path
) -> None:
    words = [command, str(bundle), *(["x.png"] if command == "predict" else [])]
    answer = CliRunner().invoke(app, [*words, option, "cuda:x"])
    assert answer.exit_code == 2
    assert "unknown device 'cuda:x': expected auto, cpu" in " ".join(answer.stderr.split())


def test_the_cpu_says_that_it_is_the_cpu(bundle: Path) -> None:
    with Classifier.load(bundle, device="cpu") as classifier:
        assert classifier.selection is not None
        assert classifier.selection.where == DeviceChoice("cpu")
        assert (
            str(classifier.selection) == "fp32 on cpu (passed over cpu int8-cpu: not in the bundle)"
        )


@pytest.mark.parametrize("count", [0, -1, 1025])
def test_threads_are_counted_from_one(count: int) -> None:
    for within, between in ((count, 1), (1, count)):
        with pytest.raises(CdulEdgeError, match=f"{count} threads: expected 1 to 1024"):
            CpuThreads(within, between)

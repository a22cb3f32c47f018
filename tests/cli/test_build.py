from __future__ import annotations

import errno
import json
import re
from pathlib import Path
from shlex import quote
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge_export.engines import engine, engine_target
from cdul_edge_export.engines.engine_files import write_engine
from cdul_edge_runtime.backends.profile import Profile
from cdul_edge_runtime.backends.trt import library
from cdul_edge_runtime.backends.trt.engine_stamp import EngineStamp
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from tests.fakes.conv_bundle import write_conv_bundle
from tests.fakes.engine_machine import Machine, add_precision, hide_gpu


def build(*words: object) -> Result:
    return CliRunner().invoke(app, ["build", *map(str, words)])


@pytest.fixture
def conv(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle that a real parser reads, where there is one, and no GPU."""
    pytest.importorskip("tensorrt_rtx", reason="no TensorRT for RTX on this platform")
    hide_gpu(monkeypatch)
    return write_conv_bundle(bundle).folder


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A device with TensorRT, as far as the command can see."""
    machine = Machine.make()
    monkeypatch.setattr(engine_target, "import_tensorrt", lambda: machine.trt)
    monkeypatch.setattr(engine_target, "CudaRuntime", lambda gpu=0: machine.cuda)
    return machine


def test_every_precision_that_tensorrt_can_use_is_built(bundle: Path, machine: Machine) -> None:
    for precision in (Precision.FP16, Precision.INT8, Precision.INT8_CPU):
        add_precision(bundle, precision)
    result = build(bundle)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        str(bundle / "engines" / f"{name}-orin-sm87-16mp-trt10.3.0.engine")
        for name in ("fp32", "fp16", "int8")
    ]
    assert "building fp16 for Orin with TensorRT 10.3.0" in result.stderr
    assert re.search(r"fp16: 0\.0 MiB in [\d.]+ s, peak memory", result.stderr)
    assert f"now: cdul-edge verify {quote(str(bundle))} --backend tensorrt" in result.stderr


def test_the_next_step_names_the_gpu_that_was_built_for(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine.make(devices=2)
    monkeypatch.setattr(engine_target, "import_tensorrt", lambda: machine.trt)
    monkeypatch.setattr(engine_target, "CudaRuntime", lambda gpu=0: machine.at(gpu).cuda)
    result = build(bundle, "--gpu", 1)
    assert result.exit_code == 0, result.output
    assert f"now: cdul-edge verify {quote(str(bundle))} --backend tensorrt:1" in result.stderr


def test_options_reach_the_engine_and_json_goes_to_stdout(bundle: Path, machine: Machine) -> None:
    options = ["--batch-min", 2, "--batch-best", 3, "--batch-max", 4, "--workspace", 7]
    result = build(bundle, "--precision", "fp32", *options, "--version-compatible", "--json", "-")
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.stdout)["engines"]
    stamp = EngineStamp.read(Path(found["path"]).with_suffix(".json"))
    assert stamp.profile == Profile(2, 3, 4)
    assert stamp.version_compatible
    assert stamp.build["workspace_mib"] == 7
    assert found["platform"]["gpu"] == "Orin"


def test_an_engine_that_exists_needs_force(bundle: Path, machine: Machine) -> None:
    assert build(bundle).exit_code == 0
    result = build(bundle)
    assert result.exit_code == 2
    assert "exists: replace it with --force" in result.stderr
    assert build(bundle, "--force").exit_code == 0


def test_a_build_that_was_cut_off_goes_on_with_what_is_missing(
    conv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--flavor", "rtx", "--for", "sm86"]

    def fail_at_fp16(path: Path, *rest: Any) -> None:
        if path.name.startswith("fp16"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write_engine(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "write_engine", fail_at_fp16)
        assert "run the same command again" in build(conv, *options).stderr
    (first,) = (conv / "engines").glob("*.engine")
    made = first.read_bytes()
    result = build(conv, *options)
    assert result.exit_code == 0, result.output
    assert "continuing; built before, and kept: fp32" in result.stderr
    built = [Path(line).name[:4] for line in result.stdout.splitlines()]
    assert built == ["fp16", "int8"]
    assert first.read_bytes() == made
    assert "exists: replace it with --force" in build(conv, *options).stderr
    other = build(conv, *options, "--batch-max", 4)
    assert "exists: replace it with --force" in other.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--precision", "int8"], "has no int8 model"),
        (["--batch-min", 9], "expected 1 <= min <= best <= max"),
        (["--precision", "int8-cpu"], "int8-cpu"),
    ],
)
def test_what_cannot_be_built_is_one_line_and_exit_code_2(
    options: list[object], message: str, bundle: Path, machine: Machine
) -> None:
    result = build(bundle, *options)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_full_disk_is_one_line_and_the_bundle_is_as_before(
    bundle: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    result = build(bundle)
    assert result.exit_code == 2
    assert "the disk is full" in result.stderr
    monkeypatch.undo()
    assert not list((bundle / "engines").glob("*.engine"))
    Bundle.load(bundle)


def test_without_a_driver_the_command_says_so_before_it_begins(
    bundle: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_gpu(monkeypatch)
    result = build(bundle, "--flavor", "tensorrt")
    assert result.exit_code == 2
    assert "no NVIDIA driver answers" in result.stderr
    assert not (bundle / "engines").exists()


def test_gpus_are_named_with_commas_or_one_by_one_and_the_next_step_is_elsewhere(
    conv: Path,
) -> None:
    options = ["--precision", "fp16", "--flavor", "rtx"]
    result = build(conv, *options, "--for", "sm86,8.9", "--for", "SM120")
    assert result.exit_code == 0, result.output
    version = pytest.importorskip("tensorrt_rtx").__version__
    path = conv / "engines" / f"fp16-rtx{version}-sm86-sm89-sm120.engine"
    assert result.stdout.splitlines() == [str(path)]
    doing, _, then = result.stderr.splitlines()
    assert doing == (
        f"building fp16 for compute capability 8.6, 8.9, 12.0 with TensorRT for RTX {version}"
    )
    assert then == (
        f"now: copy {conv} to a PC with such a GPU, and run there: "
        "cdul-edge verify bundle --backend tensorrt-rtx"
    )


def test_without_a_gpu_and_without_a_word_engines_are_for_every_gpu_from_ampere_on(
    conv: Path,
) -> None:
    named = conv.rename(conv.with_name("my bundle"))
    result = build(named, "--precision", "fp16", "--flavor", "rtx")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("-all.engine\n")
    assert "cdul-edge verify 'my bundle' --backend tensorrt-rtx" in result.stderr
    assert "no GPU here: building for every GPU from Ampere on; --for names oth" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--for", "sm90"], "does not support Hopper (9.0)"),
        (["--for", ","], "--for names no GPU: expected all, sm75 (RTX 20), sm80"),
        (["--for", "sm88"], "did you mean sm89 or sm86?"),
        (["--for", "sm86", "--flavor", "tensorrt"], "leave --for out, or give --flavor rtx"),
        (["--for", "sm86", "--version-compatible"], "leave --version-compatible out"),
    ],
)
def test_what_rtx_cannot_build_is_one_line_before_anything_is_written(
    options: list[object], message: str, conv: Path
) -> None:
    result = build(conv, *options)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert message in line
    assert not (conv / "engines").exists()


def test_without_tensorrt_the_command_says_how_to_get_it(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(library, "import_module", missing)
    result = build(bundle)
    assert result.exit_code == 2
    assert "TensorRT is not installed: on a Jetson" in result.stderr
    assert not (bundle / "engines").exists()

"""`doctor` says of each of NVIDIA's libraries whether it loads, and what it can do here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cdul_edge.front import engine_libraries
from cdul_edge.front.engine_libraries import (
    EngineLibrary,
    ask_libraries,
    judge_rtx,
    judge_tensorrt,
)
from cdul_edge.front.machine_facts import Gpu, ask_driver

NONE, JETSON = Gpu("none (nvidia-smi)"), Gpu("device files are there", "# R36")
ADA, HOPPER = Gpu("RTX 4090", None, ("8.9",)), Gpu("H200", None, ("9.0",))
SILENT = Gpu("a driver is loaded, and nvidia-smi does not answer")
BLIND_JETSON = Gpu("none (no device files)", "# R36")

TENSORRT = EngineLibrary("10.3.0")
LEAN = EngineLibrary("10.3.0", lean=True)
BROKEN = EngineLibrary(error="it does not load (libnvinfer.so.10): install it again")
RTX = EngineLibrary("1.7.1.116", builds_for=("sm86", "sm89", "sm120"))
AHEAD = "build: yes, for sm86 sm89 sm120, without a GPU; run: "


@pytest.mark.parametrize(
    ("installed", "gpu", "expected"),
    [
        (EngineLibrary(), NONE, 'no: TensorRT is not installed (pip install "cdul-edge[trt]")'),
        (EngineLibrary(), JETSON, "no: TensorRT is not installed (apt install python3-libnvinfer)"),
        (BROKEN, ADA, "no: it does not load (libnvinfer.so.10): install it again"),
        (TENSORRT, BLIND_JETSON, "no: TensorRT is installed, and the driver sees no GPU"),
        (TENSORRT, NONE, "no: TensorRT is installed, and the driver sees no GPU"),
        (TENSORRT, HOPPER, "yes: build and run"),
        (TENSORRT, JETSON, "yes: build and run"),
        (
            LEAN,
            HOPPER,
            "run: yes, version-compatible ones; build: no, only the lean runtime is here",
        ),
    ],
)
def test_tensorrt_needs_a_gpu_for_everything(
    installed: EngineLibrary, gpu: Gpu, expected: str
) -> None:
    assert judge_tensorrt(installed, gpu) == expected


@pytest.mark.parametrize(
    ("installed", "gpu", "expected"),
    [
        (EngineLibrary(), NONE, 'no: TensorRT for RTX is not installed (pip install "cdul-edge[rt'),
        (EngineLibrary(), JETSON, "no: TensorRT for RTX is not made for Jetsons"),
        (BROKEN, ADA, "no: it does not load (libnvinfer.so.10): install it again"),
        (RTX, NONE, AHEAD + "no, the driver sees no GPU"),
        (RTX, ADA, "yes: build and run"),
        (RTX, HOPPER, AHEAD + "no, the GPU here, of compute capability 9.0, is none of these"),
        (RTX, Gpu("RTX 99", None, ("13.0",)), AHEAD + "engines built with --for all, as the GPU"),
        (RTX, Gpu("two", None, ("9.0", "8.9")), "yes: build and run"),
        (RTX, SILENT, AHEAD + "only on one of these: which GPU is here is not known"),
    ],
)
def test_rtx_builds_anywhere_and_runs_on_the_gpus_it_supports(
    installed: EngineLibrary, gpu: Gpu, expected: str
) -> None:
    assert judge_rtx(installed, gpu).startswith(expected)


def copy_wheel(folder: Path, *, library_bytes: int | None) -> None:
    """NVIDIA's own modules, with its library missing or truncated."""
    source = Path(pytest.importorskip("tensorrt_rtx").__file__).parents[1]
    for module in ("tensorrt_rtx", "tensorrt_rtx_bindings"):
        shutil.copytree(source / module, folder / module)
    libraries = folder / "tensorrt_rtx_libs"
    libraries.mkdir()
    shutil.copy(source / libraries.name / "__init__.py", libraries)
    if library_bytes is not None:
        shutil.copy(source / libraries.name / "libtensorrt_onnxparser_rtx.so.1", libraries)
        with (source / libraries.name / "libtensorrt_rtx.so.1").open("rb") as whole:
            (libraries / "libtensorrt_rtx.so.1").write_bytes(whole.read(library_bytes))


@pytest.mark.parametrize(
    ("library_bytes", "expected"),
    [
        (None, "tensorrt_rtx is installed but does not load (libtensorrt_rtx.so.1: cannot open"),
        (1_000_000, "tensorrt_rtx is installed but does not load (/"),  # a path: what is truncated
    ],
)
def test_a_wheel_without_its_whole_libraries_is_one_line_of_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library_bytes: int | None, expected: str
) -> None:
    copy_wheel(tmp_path, library_bytes=library_bytes)
    monkeypatch.syspath_prepend(str(tmp_path))
    rtx = ask_libraries()["rtx"]
    assert rtx.version is None
    assert rtx.error is not None
    assert rtx.error.startswith(expected)
    assert "\n" not in judge_rtx(rtx, ADA)


def test_a_whole_wheel_says_its_version_and_the_gpus_it_builds_for() -> None:
    module = pytest.importorskip("tensorrt_rtx")
    rtx = ask_libraries()["rtx"]
    assert (rtx.version, rtx.error) == (module.__version__, None)
    assert {"sm86", "sm89"} <= set(rtx.builds_for)


def test_a_module_from_another_package_counts_whatever_the_packages_are_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """JetPack's TensorRT is no distribution that pip knows."""
    (tmp_path / "tensorrt.py").write_text("__version__ = '10.3.0'\nBuilder = object\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert ask_libraries()["tensorrt"] == EngineLibrary("10.3.0")
    monkeypatch.setattr(engine_libraries, "find_spec", lambda name: None)
    assert ask_libraries()["tensorrt"] == EngineLibrary()


@pytest.mark.parametrize(
    ("says", "seen"),
    [
        ("NVIDIA GeForce RTX 4090, 580.1, 24564 MiB, 8.9", ("8.9",)),
        ("A, 1, 2 MiB, 8.6\nA, 1, 2 MiB, 8.6\nB, 1, 2 MiB, 12.0", ("8.6", "12.0")),
        ("NVIDIA Thor, 580.00, [N/A], [N/A]", ()),
    ],
)
def test_the_driver_is_asked_for_the_gpus_that_engines_can_be_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, seen: tuple[str, ...]
) -> None:
    if Path("/etc/nv_tegra_release").exists():
        pytest.skip("a Jetson is asked in another way")
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<END\n{says}\nEND\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    gpu = ask_driver()
    assert gpu.present
    assert gpu.compute_capabilities == seen

from __future__ import annotations

import gc
import os
import platform
import subprocess
import sys
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from cdul_edge_runtime.backends.trt import library
from cdul_edge_runtime.backends.trt.library import (
    collect_messages,
    gpu_platform,
    import_tensorrt,
    last_errors,
    log_text,
    shorten,
)
from cdul_edge_runtime.backends.trt.platform import GpuPlatform
from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError
from tests.fakes.engine_machine import Machine


def pretend(monkeypatch: pytest.MonkeyPatch, **modules: Any) -> None:
    """Let `import_module` find these modules only; an exception is raised."""

    def find(name: str) -> Any:
        found = modules.get(name, ModuleNotFoundError(f"No module named {name!r}", name=name))
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(library, "import_module", find)


def test_where_tensorrt_is_missing_the_error_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend(monkeypatch)
    for lean in (False, True):
        with pytest.raises(MissingExtraError) as raised:
            import_tensorrt(lean=lean)
        for part in (
            "python3-libnvinfer",
            "--system-site-packages",
            'pip install "cdul-edge[trt]"',
        ):
            assert part in str(raised.value)


def test_the_lean_runtime_will_do_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    lean, whole = (
        SimpleNamespace(__name__="tensorrt", __version__=version)
        for version in ("10.3.0", "10.13.3")
    )
    pretend(monkeypatch, tensorrt_lean=lean)
    assert import_tensorrt(lean=True) is lean
    with pytest.raises(MissingExtraError):
        import_tensorrt()
    pretend(monkeypatch, tensorrt_lean=lean, tensorrt=whole)
    assert import_tensorrt(lean=True) is whole


@pytest.mark.parametrize(
    "error",
    [
        ImportError("libnvinfer.so.10: cannot open shared object file"),
        FileNotFoundError("nvinfer_10.dll"),
        ModuleNotFoundError("No module named 'tensorrt_bindings'", name="tensorrt_bindings"),
    ],
)
def test_a_broken_tensorrt_is_told_from_a_missing_one(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, tensorrt=error)
    with pytest.raises(CdulEdgeError, match="tensorrt is installed but does not load") as raised:
        import_tensorrt()
    assert not isinstance(raised.value, MissingExtraError)


def test_what_is_said_of_rtx_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    old = SimpleNamespace(__name__="tensorrt_rtx", __version__="1.6.1.120")
    pretend(monkeypatch, tensorrt_rtx=old)
    with pytest.raises(CdulEdgeError, match=r"RTX 1\.6\.1\.120 is older than 1\.7: .*--upgrade"):
        import_tensorrt("rtx")
    pretend(monkeypatch, tensorrt=SimpleNamespace(__name__="tensorrt", __version__="10.3.0"))
    with pytest.raises(MissingExtraError, match=r'pip install "cdul-edge\[rtx\]"$'):
        import_tensorrt("rtx")
    pretend(monkeypatch, tensorrt_rtx=ImportError("libtensorrt_rtx.so.1: cannot open"))
    with pytest.raises(CdulEdgeError, match=r"tensorrt_rtx is installed .*--force-reinstall"):
        import_tensorrt("rtx")


def test_a_tensorrt_before_8_6_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, tensorrt=SimpleNamespace(__name__="tensorrt", __version__="8.5.2.2"))
    with pytest.raises(CdulEdgeError, match=r"TensorRT 8\.5\.2\.2 is older than 8\.6"):
        import_tensorrt()


def test_an_engine_is_bound_to_tensorrt_gpu_and_system() -> None:
    machine = Machine.make("10.3.0", gpu="Orin", capability=(8, 7))
    found = gpu_platform(machine.trt, machine.cuda)
    assert found == GpuPlatform("10.3.0", "Orin", "8.7", 16, platform.machine())


def test_messages_are_kept_but_verbose_ones() -> None:
    trt = Machine.make().trt
    messages: Any = collect_messages(trt)
    assert last_errors(messages) == "TensorRT gave no reason"
    for severity in "INTERNAL_ERROR ERROR WARNING INFO VERBOSE".split():
        messages.log(getattr(trt.ILogger, severity), f"a\n{severity}")
    assert log_text(messages) == (
        "[internal error] a\nINTERNAL_ERROR\n[error] a\nERROR\n"
        "[warning] a\nWARNING\n[info] a\nINFO\n"
    )
    assert last_errors(messages) == "a INTERNAL_ERROR; a ERROR"
    assert last_errors(messages, 1) == "a ERROR"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        # as TensorRT for RTX 1.7.1 says it; the last was never seen
        (
            "API Usage Error (Input tensor images has static dimensions. In operator() at "
            "/_src/optimizer/api/network.cpp:4067)",
            "API Usage Error (Input tensor images has static dimensions.)",
        ),
        (
            "Myelin ([pass.cpp:337: check_turing_op_compatibility] FP32 GEMM is not supported. In "
            "compileGraph at /_src/optimizer/myelin/codeGenerator.cpp:2012)",
            "Myelin (FP32 GEMM is not supported.)",
        ),
        (
            "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In catchCudaError "
            "at /_src/common/dispatch/checkMacros.cpp:250 (cudaError 35: CUDA driver version is "
            "insufficient for CUDA runtime version))",
            "",
        ),
        (
            "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In catchCudaError "
            "at /_src/common/dispatch/checkMacros.cpp:250 (cudaError 2: out of memory))",
            "Error Code 1: Cuda Runtime ((cudaError 2: out of memory))",
        ),
    ],
)
def test_places_in_nvidias_sources_and_a_missing_driver_are_left_out(said: str, shown: str) -> None:
    assert shorten(said) == shown


def test_a_logger_is_never_let_go_as_tensorrt_keeps_pointing_at_it() -> None:
    logger = weakref.ref(collect_messages(Machine.make().trt))
    gc.collect()
    assert logger() is not None


def test_importing_the_backend_imports_neither_tensorrt_nor_cuda() -> None:
    code = (
        "import sys, cdul_edge_runtime.backends.trt.backend, cdul_edge_export.engines.engine\n"
        "print('tensorrt' in sys.modules, 'libcudart' in open('/proc/self/maps').read())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert answer.stdout.strip() == "False False", answer.stderr

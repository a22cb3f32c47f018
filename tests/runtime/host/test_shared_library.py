from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from cdul_edge_runtime.backends.openvino.library import import_openvino
from cdul_edge_runtime.backends.ort.library import import_onnxruntime
from cdul_edge_runtime.backends.trt.library import import_tensorrt
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.shared_library import is_truncated, truncated_library


def library(*, loaded_to: int, noted_to: int = 0) -> bytes:
    """A 64-bit ELF file's headers: a part that is loaded, and a note that nothing loads."""
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = identity + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    parts = [(1, loaded_to), (4, noted_to)]
    return header + b"".join(
        struct.pack("<IIQQQQQQ", kind, 4, 0, 0, 0, end, end, 1) for kind, end in parts
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (library(loaded_to=300) + bytes(124), False),  # 64 + 2 x 56 + 124 are 300
        (library(loaded_to=300) + bytes(123), True),
        (library(loaded_to=176, noted_to=10_000), False),
        (library(loaded_to=300)[:100], False),  # the loader has words for it
        (b"", False),
        (b"INPUT(libcudart.so.13)\n", False),  # a linker's script
    ],
)
def test_a_library_is_truncated_where_a_part_that_is_loaded_is_not_there(
    tmp_path: Path, content: bytes, expected: bool
) -> None:
    path = tmp_path / "lib.so"
    path.write_bytes(content)
    assert is_truncated(path) is expected
    assert not is_truncated(tmp_path)
    assert not is_truncated(tmp_path / "none.so")


@pytest.mark.skipif(sys.platform != "linux", reason="ELF files are Linux's")
def test_a_real_library_is_whole_and_its_first_half_is_not(tmp_path: Path) -> None:
    import numpy as np

    whole = next(Path(np.__file__).parent.rglob("_multiarray_umath*.so"))
    assert not is_truncated(whole)
    half = tmp_path / "half.so"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert is_truncated(half)


@pytest.mark.parametrize(
    ("module", "folder", "fix"),
    [
        ("tensorrt_rtx", "tensorrt_rtx_libs", "force-reinstall tensorrt-rtx-cu13"),
        ("tensorrt", "tensorrt_libs", "install it again"),
        ("tensorrt", "tensorrt_bindings", "install it again"),
        ("onnxruntime", "onnxruntime/capi", "pip install"),
        ("openvino", "openvino/libs", "force-reinstall openvino"),
    ],
)
def test_a_module_whose_library_is_truncated_is_refused_before_it_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, folder: str, fix: str
) -> None:
    for package in {module, folder.partition("/")[0]}:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise AssertionError('imported')")
    (tmp_path / folder).mkdir(exist_ok=True)
    cut = tmp_path / folder / "lib.so.1"
    cut.write_bytes(library(loaded_to=300))
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in (module, f"{module}_bindings", f"{module}_libs"):  # another test's
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert truncated_library(module) == cut
    with pytest.raises(CdulEdgeError, match=r"lib\.so\.1 is truncated") as told:
        if module == "onnxruntime":
            import_onnxruntime()
        elif module == "openvino":
            import_openvino()
        else:
            import_tensorrt("rtx" if module == "tensorrt_rtx" else "tensorrt")
    assert fix in str(told.value)

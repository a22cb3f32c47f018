"""ONNX Runtime as pip leaves it: absent, damaged, or two packages in one folder."""

from __future__ import annotations

import sys
from pathlib import Path

import onnxruntime
import pytest

from cdul_edge_runtime import selection
from cdul_edge_runtime.backends.ort import library
from cdul_edge_runtime.backends.ort.backend import OrtBackend
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError


def install(folder: Path, package: str) -> None:
    """What pip writes down of a package; it reads the name in METADATA alone."""
    about = folder / f"{package.replace('-', '_')}-1.31.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.31.1\n")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is searched first."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "files of it are missing"),  # the folder alone imports as well, without one name
        ("from onnxruntime.capi import gone", "No module named 'onnxruntime.capi'"),
        (
            "raise ImportError('libonnxruntime.so.1: cannot open\\nfile')",
            r"so\.1: cannot open file",
        ),
        ("raise OSError('too short')", "too short"),
    ],
)
def test_a_damaged_one_is_one_line_with_the_way_out(
    code: str, reason: str, packages: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "onnxruntime"]:
        monkeypatch.delitem(sys.modules, name)
    (packages / "onnxruntime").mkdir()
    (packages / "onnxruntime/__init__.py").write_text(code)
    install(packages, "onnxruntime-gpu")
    for open_it in (
        lambda: OrtBackend(bundle / "model.fp32.onnx"),
        lambda: Classifier.load(bundle),
    ):
        with pytest.raises(CdulEdgeError, match=f"onnxruntime is damaged .*{reason}") as caught:
            open_it()
        assert not isinstance(caught.value, MissingExtraError)  # installing alone does not mend it
        assert "\n" not in str(caught.value)
        assert "pip uninstall onnxruntime onnxruntime-gpu, then pip install" in str(caught.value)
        assert '"cdul-edge[gpu]"' in str(caught.value)
        sys.modules.pop("onnxruntime", None)


def test_two_packages_in_one_folder_are_both_uninstalled_first(
    packages: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    install(packages, "onnxruntime-gpu")
    install(packages, "onnxruntime")
    with pytest.raises(CdulEdgeError, match="here has only CPUExecutionProvider") as caught:
        OrtBackend(bundle / "model.fp32.onnx", device="cuda")
    assert "(of onnxruntime and onnxruntime-gpu, which share one folder" in str(caught.value)
    # pip would take the one that stays for installed, though its files went with the other's
    assert "pip uninstall onnxruntime onnxruntime-gpu, then" in str(caught.value)


def test_auto_says_that_the_one_without_cuda_hides_the_other(
    packages: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "nvidia_driver_there", lambda: True)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    install(packages, "onnxruntime-gpu")
    install(packages, "onnxruntime")
    with Classifier.load(bundle) as classifier:
        assert "has no CUDA (of onnxruntime and onnxruntime-gpu" in str(classifier.selection)


@pytest.mark.parametrize("openvino", [True, False])
def test_where_only_openvino_is_here_it_is_named(
    openvino: bool, packages: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "onnxruntime"]:
        monkeypatch.delitem(sys.modules, name)
    (packages / "onnxruntime").mkdir()
    (packages / "onnxruntime/__init__.py").write_text(
        "raise ModuleNotFoundError(name='onnxruntime')"
    )
    monkeypatch.setattr(library, "find_spec", lambda name: object() if openvino else None)
    end = r", or give device openvino, which is here" if openvino else ""
    with pytest.raises(MissingExtraError, match=rf'pip install "cdul-edge\[cpu\]"{end}$'):
        OrtBackend(bundle / "model.fp32.onnx")
    sys.modules.pop("onnxruntime", None)

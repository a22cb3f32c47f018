"""Importing ONNX Runtime, whose packages share one folder and break one another."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError, extra_imports
from cdul_edge_runtime.host.shared_library import truncated_library

# Each brings the module `onnxruntime`: the files of the one installed last stay.
PACKAGES = (
    *("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-rocm"),
    *("onnxruntime-migraphx", "onnxruntime-qnn", "onnxruntime-training"),
)


def import_onnxruntime() -> ModuleType:
    """The module.

    Raises:
        MissingExtraError: it is not installed.
        CdulEdgeError: it is there and does not load.
    """
    if (path := truncated_library("onnxruntime")) is not None:
        raise CdulEdgeError(explain_damage(f"{path} is truncated"))
    with _openvino_instead(), extra_imports("cpu", "running a model"):
        try:
            onnxruntime = import_module("onnxruntime")
        except (ImportError, OSError) as error:
            if getattr(error, "name", None) == "onnxruntime":
                raise
            raise CdulEdgeError(explain_damage(str(error))) from error
    # What is left of a folder that two packages shared is a package without a single name.
    if not hasattr(onnxruntime, "InferenceSession"):
        raise CdulEdgeError(explain_damage("files of it are missing"))
    return onnxruntime


@contextmanager
def _openvino_instead() -> Iterator[None]:
    """Name OpenVINO where it alone is installed, and ONNX Runtime was asked for."""
    try:
        yield
    except MissingExtraError as error:
        if find_spec("openvino") is None:
            raise
        raise MissingExtraError(f"{error}, or give device openvino, which is here") from error


def explain_missing_provider(device: str, onnxruntime: ModuleType) -> str:
    """One line on a build of ONNX Runtime that does not have the provider of `device`."""
    listed = ", ".join(onnxruntime.get_available_providers())
    # The same for every device, so that a list of what is not here names it once.
    return (
        f"{device} was asked for, and onnxruntime {onnxruntime.__version__} here has only "
        f"{listed}{two_installed()}: {_how_to_get_one()}"
    )


def explain_damage(reason: str) -> str:
    """One line on a package that is there and does not load."""
    here = _installed() or ("onnxruntime",)
    extra = "gpu" if "onnxruntime-gpu" in here else "cpu"
    return (
        f"onnxruntime is damaged ({reason}); onnxruntime and onnxruntime-gpu share one folder, and "
        f"uninstalling one breaks the other: pip uninstall {' '.join(here)}, then pip install "
        f'"cdul-edge[{extra}]"'
    )


def two_installed() -> str:
    """A clause to say so where packages share the folder; empty otherwise."""
    here = _installed()
    if len(here) < 2:
        return ""
    return f" (of {' and '.join(here)}, which share one folder, the one installed last is here)"


def _how_to_get_one() -> str:
    if platform.machine() in ("aarch64", "arm64"):
        return (
            "PyPI's onnxruntime-gpu does not fit JetPack 6, and has no TensorRT on this kind of "
            "machine: build engines with `cdul-edge build` and give --device tensorrt"
        )
    # Each that is here, at once: pip takes one that stays behind without its files for installed.
    return (
        f"pip uninstall {' '.join(_installed() or ('onnxruntime',))}, then pip install "
        '"cdul-edge[gpu]", which also needs CUDA, cuDNN and the GPU\'s driver'
    )


def _installed() -> tuple[str, ...]:
    from importlib.metadata import PackageNotFoundError, version  # costs more than this module

    found = []
    for package in PACKAGES:
        try:
            version(package)
        except PackageNotFoundError:
            continue
        found.append(package)
    return tuple(found)

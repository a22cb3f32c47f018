"""Importing OpenVINO: what inference needs, and nothing that speaks to a network."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import Lock
from types import ModuleType

from cdul_edge_runtime.backends.openvino.api import Core
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.host.forks import never_free_in_a_fork
from cdul_edge_runtime.host.shared_library import truncated_library

# It converts models of other frameworks, and imports `openvino_telemetry`, which tells Intel of its
# use. OpenVINO takes it for missing without a word, and starts in a fifth of the time.
_CONVERTER = "openvino.tools.ovc"
_importing = Lock()
_cores: list[Core] = []


def import_openvino() -> ModuleType:
    """The module; `openvino.convert_model` is imported when somebody asks for it.

    Raises:
        MissingExtraError: it is not installed.
        CdulEdgeError: it is there and does not load.
    """
    if (path := truncated_library("openvino")) is not None:
        raise CdulEdgeError(_explain_damage(f"{path} is truncated"))
    with _importing, extra_imports("openvino", "device openvino"):
        try:
            with _without_converter():
                openvino = import_module("openvino")
        except (ImportError, OSError) as error:
            if getattr(error, "name", None) == "openvino":
                raise
            raise CdulEdgeError(_explain_damage(str(error))) from error
    if not hasattr(openvino, "Core"):  # a folder that something left behind
        raise CdulEdgeError(_explain_damage("files of it are missing"))
    return openvino


def new_core() -> Core:
    """A `Core`, which this process keeps to its end.

    Each `Core` that runs a CPU gives its thread another stack for signals, and gives the stack
    before that back when it is freed. Two that are freed in the order in which they were made leave
    a stack that is no longer there, and the next signal, such as Ctrl-C, ends the process. One for
    all models would be as safe, but a model that ran out of memory damages the others of its Core
    (OpenVINO 2026.4.1). A kept one takes 50 KiB; the end of Python frees the last one first.

    Raises:
        MissingExtraError, CdulEdgeError: as `import_openvino`.
    """
    core: Core = import_openvino().Core()
    _cores.append(core)
    never_free_in_a_fork(core)
    return core


@contextmanager
def _without_converter() -> Iterator[None]:
    """Import OpenVINO without its converter, which stays there for whoever wants it."""
    if "openvino" in sys.modules or _CONVERTER in sys.modules:
        yield
        return
    # what Python's import takes for "not installed"
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_CONVERTER]
        if (openvino := sys.modules.get("openvino")) is not None:
            openvino.__dict__["__getattr__"] = _convert_model


def _convert_model(name: str) -> object:
    if name != "convert_model":
        raise AttributeError(f"module 'openvino' has no attribute {name!r}")
    return import_module(_CONVERTER).convert_model


def _explain_damage(reason: str) -> str:
    return f"openvino is damaged ({reason}): pip install --force-reinstall openvino"

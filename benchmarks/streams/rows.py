"""Every row, in the order in which they run. What a row needs is imported in its own process."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.rows import find_named
from benchmarks.streams.row import Row, Setting
from tests.fakes.rtsp_camera import why_no_camera


def _later(module: str, function: str) -> Callable[[Setting], Any]:
    """A function of this package, imported when it is called."""

    def call(setting: Setting) -> Any:
        return getattr(import_module(f"benchmarks.streams.{module}"), function)(setting)

    return call


_SMALL = _later("bundles", "small_bundle")
_LARGE = _later("bundles", "large_bundle")
_AV = {"av": "av"}

ROWS = (
    Row("glass", "Glass to result", _later("glass", "measure_glass"), _SMALL, _AV),
    Row("slow", "A network of 100 ms", _later("glass", "measure_slow"), _SMALL, _AV),
    Row("overload", "Overload", _later("glass", "measure_overload"), _SMALL, _AV),
    Row("cpu", "Cost of a stream", _later("cost", "measure_cpu"), _SMALL, _AV),
    Row("soak", "Soak", _later("soak", "measure_soak"), _SMALL, _AV),
    Row("loss", "A camera that goes away", _later("loss", "measure_loss"), _SMALL, _AV),
    Row("stop", "SIGTERM", _later("stop", "measure_stop"), _SMALL, _AV),
    Row("frame", "A frame", _later("cost", "measure_frame"), _LARGE, camera=False),
)


def find_rows(names: tuple[str, ...]) -> tuple[Row, ...]:
    """The rows of these names in their order; all of them without names.

    Raises:
        CdulEdgeError: a name that no row has.
    """
    return find_named(ROWS, names)


def what_is_missing(row: Row) -> str:
    """Why the row cannot be measured here; empty where it can."""
    missing = [package for module, package in (row.needs or {}).items() if not find_spec(module)]
    if missing:
        return f"{' and '.join(missing)} missing: pip install {' '.join(missing)}"
    return (why_no_camera() or "") if row.camera else ""

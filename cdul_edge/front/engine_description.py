"""A bundle's engines in words: built with what, and for which GPUs."""

from __future__ import annotations

from pathlib import Path

from cdul_edge_runtime.backends.trt.engine_stamp import (
    EngineStamp,
    StampedEngine,
    damaged_stamps,
    list_engines,
)
from cdul_edge_runtime.backends.trt.platform import library_name
from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.errors import BundleError


def describe_engines(bundle: Bundle) -> dict[str, str]:
    """Each engine of a bundle by its file's name, in one line; stamps that cannot be read last."""
    engines = [one for p in Precision for one in list_engines(bundle.folder, p)]
    found = {one.path.name: _describe(bundle, one) for one in engines}
    damaged = damaged_stamps(bundle.folder)
    return found | {f"damaged {n}": text for n, text in enumerate(damaged, start=1)}


def describe_engine(file: Path) -> tuple[str, dict[str, object]]:
    """What one engine is, and its stamp.

    Raises:
        BundleError: it has no stamp, or one that cannot be read.
    """
    beside = file.with_suffix(".json")
    if not beside.exists():
        raise BundleError(
            f"{file} has no stamp {beside.name} beside it, which says what it was built for: copy "
            "the whole bundle, or build again"
        )
    stamp = EngineStamp.read(beside)
    faults = StampedEngine(file, stamp).file_faults(stamp.source_sha256)
    return _kind(stamp) + _unusable(faults), stamp.to_dict()


def _describe(bundle: Bundle, engine: StampedEngine) -> str:
    stamp = engine.stamp
    batches = f"batches of {stamp.profile.min} to {stamp.profile.max}"
    line = f"{_kind(stamp)}, for {stamp.describe_gpus()}, {batches}, {stamp.bytes} bytes"
    there = stamp.precision in bundle.precisions()
    source = bundle.model_sha256(stamp.precision) if there else ""
    return line + _unusable(engine.file_faults(source))


def _kind(stamp: EngineStamp) -> str:
    library = f"{library_name(stamp.flavor)} {stamp.platform.tensorrt}"
    return f"{stamp.precision.value} engine of {library}"


def _unusable(faults: list[str]) -> str:
    return f"; unusable: {', '.join(faults)}" if faults else ""

"""What TensorRT measured of single layers, kept so that the next build on this machine is quick."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cdul_edge_runtime.backends.trt import api as api
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import atomic_write


def attach_cache(
    config: api.IBuilderConfig, path: Path, talk: Callable[[str], None]
) -> api.ITimingCache:
    """Give the builder what earlier builds measured; what it refuses is left out, with a word.

    Returns:
        the cache, which must live until the build is over.
    """
    if path.is_file():
        cache = config.create_timing_cache(path.read_bytes())
        if cache is not None and config.set_timing_cache(cache, False):
            return cache
        talk(f"{path} is damaged or of another TensorRT or GPU: it is measured again")
    cache = config.create_timing_cache(b"")
    if cache is None or not config.set_timing_cache(cache, False):
        raise CdulEdgeError("TensorRT makes no timing cache: out of memory? End other programs")
    return cache


def keep_cache(config: api.IBuilderConfig, path: Path) -> None:
    """Write what is known now, atomically."""
    cache = config.get_timing_cache()
    if cache is not None:
        with atomic_write(path) as temporary:
            temporary.write_bytes(bytes(cache.serialize()))

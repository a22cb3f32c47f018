"""Where libcudart is: in this process, in the system, or in NVIDIA's wheels."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.shared_library import is_truncated

_NAMES = (
    *("libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0"),
    "/usr/local/cuda/lib64/libcudart.so",  # where JetPack and the toolkit put it
)


def load_cuda_library() -> Any:
    """The libcudart that this process has already, or the first that can be loaded.

    Raises:
        CdulEdgeError: there is none; the message names the places.
    """
    tried = []
    for candidate in (*_loaded_already(), *_NAMES, *_from_wheels()):
        try:
            if is_truncated(Path(candidate)):  # loading it would end the process
                raise OSError(f"{candidate} is truncated")
            return ctypes.CDLL(candidate)
        except OSError:
            tried.append(candidate)
    raise CdulEdgeError(
        f"the CUDA runtime was not found (tried {', '.join(tried)}): on a Jetson it comes with "
        'JetPack (`apt install nvidia-jetpack`), elsewhere with pip install "cdul-edge[trt]" or '
        '"cdul-edge[rtx]"; or name its folder in LD_LIBRARY_PATH'
    )


def _loaded_already() -> Iterator[str]:
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:  # not Linux
        return
    paths = (line.partition("/")[1] + line.partition("/")[2] for line in lines if "/" in line)
    yield from dict.fromkeys(path for path in paths if "/libcudart.so" in path)


def _from_wheels() -> Iterator[str]:
    """NVIDIA's wheels put it into site-packages/nvidia/cu13/lib or nvidia/cuda_runtime/lib."""
    spec = find_spec("nvidia")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield from map(str, sorted(Path(folder).glob("*/lib/libcudart.so*"), reverse=True))

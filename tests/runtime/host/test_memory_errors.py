"""Too little memory is known whichever library says it, and told from what a damaged file asks."""

from __future__ import annotations

import errno
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
import torch

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.memory_errors import is_made_up, memory_for, wants_memory

PEBIBYTE = 1 << 50


def fill_arrow() -> None:
    pa.allocate_buffer(PEBIBYTE)


def say_bare() -> None:
    raise MemoryError


def lack_pages() -> None:
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


def say_as_cublas() -> None:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


def say_as_cuda() -> None:
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda: np.empty(PEBIBYTE, np.uint8), "Unable to allocate 1.00 PiB for an array"),
        (lambda: torch.empty(PEBIBYTE, dtype=torch.uint8), "allocate"),
        (fill_arrow, "of size 1125899906842624 failed"),
        (say_bare, "no more is known"),
        (lack_pages, "Cannot allocate memory"),
        (say_as_cublas, "CUBLAS_STATUS_ALLOC_FAILED"),
        (say_as_cuda, "Tried to allocate 20.00 MiB"),
    ],
)
def test_too_little_memory_is_one_line_with_what_was_asked_for(
    ask: Callable[[], object], reason: str
) -> None:
    with pytest.raises(CdulEdgeError) as caught, memory_for("the scores", "name fewer classes"):
        ask()
    line = str(caught.value)
    assert line.startswith("not enough memory for the scores (")
    assert reason in line
    assert line.endswith("): name fewer classes")


@pytest.mark.parametrize(
    "bug", [RuntimeError("shapes"), OSError(errno.ENOENT, "no file"), ImportError("no name")]
)
def test_other_errors_pass(bug: Exception) -> None:
    assert not wants_memory(bug)
    with pytest.raises(type(bug)), memory_for("the scores", "name fewer classes"):
        raise bug


def test_a_file_of_1000_bytes_may_unpack_to_a_million_and_not_to_two() -> None:
    assert not is_made_up(MemoryError("malloc of size 1000000 failed"), 1000)
    assert is_made_up(MemoryError("malloc of size 2000000 failed"), 1000)
    with pytest.raises(MemoryError) as caught:
        np.empty(PEBIBYTE, np.uint8)
    assert is_made_up(caught.value, 1 << 30)
    assert not is_made_up(caught.value, 1 << 40)
    assert not is_made_up(MemoryError(), 1)

"""What malloc does with memory that is freed."""

from __future__ import annotations

import ctypes
import gc
import sys

import pytest

from cdul_edge_runtime.host import memory
from cdul_edge_runtime.host.memory import keep_freed_memory

SIZE = 40 << 20  # more than glibc ever takes from its heap by itself


class _Blocks(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
            "fordblks", "keepcost",
        )
    ]  # fmt: skip


@pytest.fixture
def libc(monkeypatch: pytest.MonkeyPatch) -> ctypes.CDLL:
    for name in ("GLIBC_TUNABLES", *memory._CHOSEN_BY):
        monkeypatch.delenv(name, raising=False)
    found = memory._find_glibc()
    if found is None or not hasattr(found, "mallinfo2"):
        pytest.skip("the C library is not glibc 2.33 or later")
    found.mallinfo2.restype = _Blocks
    found.malloc.restype = ctypes.c_void_p
    found.malloc.argtypes = [ctypes.c_size_t]
    found.free.argtypes = [ctypes.c_void_p]
    return found


def takes_from_the_heap(libc: ctypes.CDLL) -> bool:
    """Whether a large block lies in the heap, and not in a mapping of its own."""
    gc.disable()
    try:
        before = libc.mallinfo2().hblks
        block = libc.malloc(SIZE)
        mapped = libc.mallinfo2().hblks - before
        libc.free(block)
    finally:
        gc.enable()
    assert mapped in (0, 1)
    return bool(mapped == 0)


def test_large_blocks_are_kept_until_the_last_user_ends(libc: ctypes.CDLL) -> None:
    assert not takes_from_the_heap(libc)
    with keep_freed_memory():
        assert takes_from_the_heap(libc)
        assert libc.mallinfo2().fordblks >= SIZE  # it was freed, and is still there
        with keep_freed_memory():
            assert takes_from_the_heap(libc)
        assert takes_from_the_heap(libc)
    assert not takes_from_the_heap(libc)
    assert libc.mallinfo2().keepcost < SIZE  # the top of the heap went back to the system


@pytest.mark.parametrize(
    ("name", "value"),
    [("MALLOC_TRIM_THRESHOLD_", "131072"), ("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=1")],
)
def test_what_the_environment_chose_stays(
    libc: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with keep_freed_memory():
        assert not takes_from_the_heap(libc)


def test_another_system_is_left_alone(libc: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with keep_freed_memory():
        assert not takes_from_the_heap(libc)

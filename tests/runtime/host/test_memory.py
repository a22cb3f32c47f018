"""What malloc does with memory that is freed, in processes whose heap has no large holes yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from cdul_edge_runtime.host.child_python import child_command, child_environment

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the C library is another one")

# Asks for a large block before, within, and after, and tells whether it lay in the heap each time,
# and not in a mapping of its own. `argv` has the name of the system that it is to be.
_PROGRAM = """
import ctypes, json, sys
from cdul_edge_runtime.host.memory import keep_freed_memory

SIZE = 40 << 20  # more than glibc ever takes from its heap by itself
NAMES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()

class Blocks(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in NAMES]

libc = ctypes.CDLL(None)
if not hasattr(libc, "mallinfo2"):  # glibc 2.33
    sys.exit(77)
libc.mallinfo2.restype = Blocks
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def in_heap():
    before = libc.mallinfo2().hblks
    block = libc.malloc(SIZE)
    mapped = libc.mallinfo2().hblks - before
    libc.free(block)
    return mapped == 0

sys.platform = sys.argv[1]
found = {"before": in_heap()}
with keep_freed_memory():
    found["within"] = in_heap()
    found["kept"] = libc.mallinfo2().fordblks >= SIZE
    with keep_freed_memory():
        found["within both"] = in_heap()
    found["within the first"] = in_heap()
found["after"] = in_heap()
found["given back"] = libc.mallinfo2().keepcost < SIZE
print(json.dumps(found))
"""
_LEFT_ALONE = {
    "before": False,
    "within": False,
    "kept": False,
    "within both": False,
    "within the first": False,
    "after": False,
    "given back": True,
}
_CHOICES = ("MALLOC_", "GLIBC_TUNABLES")


def ask(system: str = sys.platform, **chosen: str) -> dict[str, bool]:
    """What a process finds that is told of this system and environment."""
    plain = {k: v for k, v in child_environment().items() if not k.startswith(_CHOICES)}
    run = subprocess.run(
        child_command(_PROGRAM, system), env={**plain, **chosen}, capture_output=True, text=True
    )
    if run.returncode == 77:
        pytest.skip("the C library is not glibc 2.33 or later")
    assert run.returncode == 0, run.stderr
    found: dict[str, bool] = json.loads(run.stdout)
    return found


def test_large_blocks_are_kept_until_the_last_user_ends() -> None:
    kept = dict.fromkeys(("within", "kept", "within both", "within the first"), True)
    assert ask() == {**_LEFT_ALONE, **kept}


@pytest.mark.parametrize(
    ("name", "value"),
    [("MALLOC_TRIM_THRESHOLD_", "131072"), ("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=1")],
)
def test_what_the_environment_chose_stays(name: str, value: str) -> None:
    assert ask(**{name: value}) == _LEFT_ALONE


def test_another_system_is_left_alone() -> None:
    assert ask("win32") == _LEFT_ALONE

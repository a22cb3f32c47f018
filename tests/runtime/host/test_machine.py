import json
import platform
import subprocess
import sys

import pytest

from cdul_edge_runtime.host.machine import (
    _cpu_name,
    describe_machine,
    installed_versions,
    peak_memory_mib,
    reset_peak_memory,
    usable_cores,
)


def test_the_description_is_plain_json_with_this_machines_cores() -> None:
    machine = json.loads(json.dumps(describe_machine()))
    assert machine["cores"] == usable_cores() >= 1
    assert machine["cpu"]


def test_cpus_that_linux_gives_no_name_are_told_apart_by_their_numbers() -> None:
    assert _cpu_name({"model name": "AMD EPYC", "Model": "17"}) == "AMD EPYC"
    arm = {"CPU implementer": "0x41", "CPU part": "0xd0b"}
    assert _cpu_name(arm) == f"{platform.machine()} 0x41 0xd0b"
    board = {"Model": "Raspberry Pi 5 Model B Rev 1.0", **arm}
    assert _cpu_name(board) == f"{platform.machine()} Raspberry Pi 5 Model B Rev 1.0 0x41 0xd0b"
    assert _cpu_name({}) in (platform.processor(), platform.machine())


def test_only_what_is_installed_has_a_version() -> None:
    versions = installed_versions("numpy", "no-such-distribution")
    assert list(versions) == ["numpy"]
    assert versions["numpy"][0].isdigit()


def test_peak_memory_counts_anew_after_a_reset() -> None:
    block = bytearray(256 << 20)
    before = peak_memory_mib()
    del block
    if not reset_peak_memory():
        pytest.skip("this system cannot reset it")
    after = peak_memory_mib()
    assert before is not None
    assert after is not None
    assert after < before - 200


FREED = """
from cdul_edge_runtime.host.machine import give_free_memory_back, peak_memory_mib, reset_peak_memory
blocks = [b"x" * (100_000 + i) for i in range(1_000)]  # small enough to come from one heap
above = b"x" * 100_000  # so that the heap keeps its size
del blocks
told = reset_peak_memory()
before = peak_memory_mib()
give_free_memory_back()
reset_peak_memory()
print(told, before - peak_memory_mib())
"""


def test_free_memory_goes_back_where_the_system_s_library_holds_it() -> None:
    # in a process of its own, which no other test's heap surrounds
    run = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    told, freed_mib = run.stdout.split()
    if told != "True" or platform.libc_ver()[0] != "glibc":
        pytest.skip("this system holds nothing back, or does not tell")
    assert float(freed_mib) > 50


def test_peak_memory_never_falls() -> None:
    before = peak_memory_mib()
    block = bytearray(64 << 20)
    after = peak_memory_mib()
    assert before is not None
    assert after is not None
    assert after >= before >= 5  # an interpreter with numpy is larger than this
    assert after >= len(block) / (1 << 20)

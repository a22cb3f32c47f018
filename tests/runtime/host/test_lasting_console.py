import os

import pytest

from cdul_edge_runtime.host.lasting_console import LastingConsole


def test_what_nobody_reads_ends_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as file:
        console = LastingConsole(file=file)
        if not hasattr(LastingConsole.__base__, "on_broken_pipe"):
            pytest.skip("this version of rich raises")
        for _ in range(3):
            console.print("a line")

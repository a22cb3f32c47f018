import os

from cdul_edge_runtime.host.lasting_console import LastingConsole


def test_what_nobody_reads_ends_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as file:
        console = LastingConsole(file=file)
        for _ in range(3):
            console.print("a line")

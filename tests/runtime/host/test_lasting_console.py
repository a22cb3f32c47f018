import errno
import os

import pytest

from cdul_edge_runtime.host.lasting_console import LastingConsole


def test_what_nobody_reads_ends_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as file:
        console = LastingConsole(file=file)
        for _ in range(3):
            console.print("a line")


def test_a_full_disk_behind_stderr_ends_nothing_and_behind_stdout_it_does() -> None:
    with open("/dev/full", "w", encoding="utf-8") as file:
        messages = LastingConsole(file=file, stderr=True)
        for _ in range(3):
            messages.print("a line")
        file.flush()  # as at the end of the process: nothing is left
        results = LastingConsole(file=file)
        with pytest.raises(OSError, match="No space left") as caught:
            results.print("a line")
        assert caught.value.errno == errno.ENOSPC
        messages._drop_unwritten()

"""A folder is held by one process at a time, and a refused request leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.folder_lock import LOCK, lock_folder

HOLD = """
import sys
from pathlib import Path
from filelock import FileLock
with FileLock(Path(sys.argv[1]) / ".lock"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_that_another_process_holds_is_refused_until_that_process_ends(
    tmp_path: Path,
) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    with (
        pytest.raises(CdulEdgeError, match="another process is labeling into"),
        lock_folder(tmp_path, "labeling into"),
    ):
        raise AssertionError("both are in")
    other.kill()  # no chance to release anything
    other.communicate()
    with lock_folder(tmp_path, "labeling into"):
        assert (tmp_path / LOCK).is_file()
    assert not (tmp_path / LOCK).exists()


def test_folders_made_for_the_lock_go_unless_something_is_in_them(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    with pytest.raises(ZeroDivisionError), lock_folder(deep, "labeling into"):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []
    with lock_folder(deep, "labeling into"):
        (deep / "result").write_text("kept")
    assert (deep / "result").read_text() == "kept"


def test_a_file_in_the_folders_place_is_one_line_and_stays(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("precious")
    for place in (tmp_path / "out", tmp_path / "out" / "inner"):
        with (
            pytest.raises(CdulEdgeError, match="a file is in its place"),
            lock_folder(place, "labeling into"),
        ):
            raise AssertionError("a file was taken for a folder")
    assert (tmp_path / "out").read_text() == "precious"


def test_without_locks_on_the_file_system_work_goes_on_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    import filelock

    from cdul_edge_runtime.errors import CdulEdgeWarning

    def refuse(self: filelock.FileLock, **options: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with (
        pytest.warns(CdulEdgeWarning, match="a file system without locks"),
        lock_folder(tmp_path / "out", "labeling into"),
    ):
        (tmp_path / "out" / "result").write_text("kept")
    assert (tmp_path / "out" / "result").read_text() == "kept"

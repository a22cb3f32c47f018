"""Which temporary files are left behind: only those whose writer cannot come back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cdul_edge_runtime.host.files import atomic_write
from cdul_edge_runtime.host.unfinished import names
from cdul_edge_runtime.host.unfinished.names import (
    OLD_S,
    is_left_behind,
    remove_left_behind,
    remove_left_behind_of,
    temporary_prefix,
)

DAY_NS = OLD_S * 10**9


def name_of(process: int) -> str:
    """A temporary name of another process of this machine."""
    mine = temporary_prefix(Path("part.parquet"))
    return mine.replace(f"-{os.getpid()}-", f"-{process}-") + "abc.tmp"


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str], Path]:
    def run(name: str) -> Path:
        file = tmp_path / name
        file.write_bytes(b"half")
        os.utime(file, ns=(DAY_NS, DAY_NS))
        return file

    return run


def test_what_a_living_process_writes_is_not_left_behind_however_old(
    tmp_path: Path,
) -> None:
    with atomic_write(tmp_path / "part.parquet") as temporary:
        assert temporary.name.startswith(temporary_prefix(tmp_path / "part.parquet"))
        assert not is_left_behind(temporary, temporary.stat().st_mtime_ns + 9 * DAY_NS)


def test_what_a_process_wrote_that_has_ended_is_left_behind_however_new(
    put: Callable[[str], Path],
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert is_left_behind(put(name_of(ended.pid)), DAY_NS)


def test_a_number_that_another_process_has_now_is_not_the_writer(
    put: Callable[[str], Path],
) -> None:
    mine, _, start = temporary_prefix(Path("part.parquet")).rstrip(".").rpartition("-")
    assert not is_left_behind(put(f"{mine}-{start}.abc.tmp"), DAY_NS)
    assert is_left_behind(put(f"{mine}-{int(start) + 1}.abc.tmp"), DAY_NS)


def test_of_another_machine_only_what_nobody_touched_for_a_day_is_left_behind(
    put: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "_machine", lambda process: "0123456789ab")
    theirs = name_of(1)
    monkeypatch.undo()
    for name in (theirs, ".part.parquet.x8f3.tmp"):  # and of a version that left no mark
        file = put(name)
        assert not is_left_behind(file, 2 * DAY_NS)
        assert not is_left_behind(file, 0)  # the disk's clock is behind
        assert is_left_behind(file, 2 * DAY_NS + 1)


def test_only_temporary_files_go(tmp_path: Path, put: Callable[[str], Path]) -> None:
    for name in (".x.tmp", "part.parquet", ".keep", "x.tmp"):
        put(name)
    (tmp_path / ".folder.tmp").mkdir()
    remove_left_behind(tmp_path, 9 * DAY_NS)
    assert sorted(os.listdir(tmp_path)) == [".folder.tmp", ".keep", "part.parquet", "x.tmp"]


def test_of_one_target_only_its_own_temporary_files_go(
    tmp_path: Path, put: Callable[[str], Path]
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    others = {
        name_of(ended.pid).replace(".part.", ".another."),
        name_of(ended.pid).replace(".part.parquet.", ".part.parquet.old."),
        name_of(os.getpid()),  # still written
        ".part.parquet.x8f3.tmp",  # without a mark: nobody says that it is ours
        ".part.parquet.swp",
    }
    for name in (*others, name_of(ended.pid)):
        put(name)
    (tmp_path / name_of(ended.pid).replace("abc", "folder")).mkdir()
    remove_left_behind_of(put("part.parquet"))
    folder = name_of(ended.pid).replace("abc", "folder")
    assert set(os.listdir(tmp_path)) == {"part.parquet", folder, *others}
    remove_left_behind_of(tmp_path / "nowhere")
    remove_left_behind_of(Path("/dev/null"))


def test_a_long_name_stays_within_what_file_systems_allow(tmp_path: Path) -> None:
    with atomic_write(tmp_path / ("ü" * 120 + ".json")) as temporary:
        temporary.write_text("1")
        assert len(os.fsencode(temporary.name)) <= 255

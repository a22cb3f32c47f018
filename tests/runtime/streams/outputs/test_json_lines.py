"""Rows in a file: whole lines, one watch, bounded, and a full disk that ends nothing."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.outputs.json_lines import JsonLinesFile
from cdul_edge_runtime.streams.outputs.output import LastingWrites
from cdul_edge_runtime.streams.row_json import to_json
from cdul_edge_runtime.streams.rows import Row
from tests.fakes.full_disk import largest_file
from tests.fakes.stream_rows import appeared, gone

SIZE = len(to_json(appeared())) + 1


def never(line: str) -> None:
    raise AssertionError(line)


def open_file(path: Path, say: Callable[[str], None] = never, **options: object) -> JsonLinesFile:
    return JsonLinesFile(path, to_json, say, **options)  # type: ignore[arg-type]


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def test_rows_are_appended_to_those_of_an_earlier_watch(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.jsonl"
    for name in ("a", "b"):
        file = open_file(path)
        file.write(appeared(id=name))
        file.close()
    assert ids(path) == ["a", "b"]


def test_replacing_drops_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for name in ("a", "b"):
        file = open_file(path, replace=True)
        file.write(appeared(id=name))
        file.close()
    assert ids(path) == ["b"]


def test_a_file_that_was_made_for_nothing_goes_and_an_empty_one_stays(tmp_path: Path) -> None:
    (tmp_path / "given.jsonl").touch()
    for name in ("given.jsonl", "made.jsonl"):
        open_file(tmp_path / name).close()
    assert [path.name for path in tmp_path.iterdir()] == ["given.jsonl"]


def test_half_a_line_of_a_killed_watch_goes_and_a_whole_one_without_its_end_stays(
    tmp_path: Path,
) -> None:
    path = tmp_path / "rows.jsonl"
    for rest, expected in ((to_json(gone())[:-5], ["new"]), (to_json(gone()), ["door-1", "new"])):
        path.write_text(rest)
        file = open_file(path)
        file.write(appeared(id="new"))
        file.close()
        assert ids(path) == expected


def test_a_full_file_becomes_a_numbered_one_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    two = (2 * SIZE + 1) / (1 << 20)  # the ids below are as long as the usual one
    file = open_file(path, size_mib=two, keep=2)
    for number in range(7):
        file.write(appeared(id=f"door-{number}"))
    file.close()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "rows.jsonl",
        "rows.jsonl.1",
        "rows.jsonl.2",
    ]
    assert ids(path) == ["door-6"]
    assert ids(tmp_path / "rows.jsonl.1") == ["door-4", "door-5"]
    assert ids(tmp_path / "rows.jsonl.2") == ["door-2", "door-3"]


def test_with_none_kept_the_file_begins_anew(tmp_path: Path) -> None:
    file = open_file(tmp_path / "rows.jsonl", size_mib=SIZE / (1 << 20), keep=0)
    for number in range(3):
        file.write(appeared(id=f"door-{number}"))
    file.close()
    assert ids(tmp_path / "rows.jsonl") == ["door-2"]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_second_watch_on_the_same_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    first = open_file(path, size_mib=SIZE / (1 << 20), keep=1)
    first.write(appeared())
    for _ in range(2):  # after a rotation, too
        with pytest.raises(CdulEdgeError, match=r"another `cdul-edge watch` writes to .*: stop it"):
            open_file(path)
        first.write(appeared())
    first.close()
    open_file(path).close()


def test_a_file_that_another_program_moved_or_removed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    file = open_file(path)
    file.write(appeared(id="a"))
    path.rename(tmp_path / "moved")  # as logrotate does
    file.write(appeared(id="b"))
    path.unlink()
    file.write(appeared(id="c"))
    file.close()
    assert ids(tmp_path / "moved") == ["a"]
    assert ids(path) == ["c"]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.2"])
def test_what_is_not_made_of_rows_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"path": "a.jpg"}\n')
    with pytest.raises(CdulEdgeError, match=f"{name} does not hold rows of `cdul-edge watch`"):
        open_file(tmp_path / "rows.jsonl", keep=3)
    assert (tmp_path / name).read_text() == '{"path": "a.jpg"}\n'


def test_pipes_and_folders_are_refused_and_never_wait_for_a_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CdulEdgeError, match="pipe is a pipe or socket"):
        open_file(tmp_path / "pipe")
    with pytest.raises(CdulEdgeError, match="is a folder: name a file in it"):
        open_file(tmp_path)


def test_a_full_disk_is_told_once_and_counted(tmp_path: Path) -> None:
    said: list[str] = []
    file = open_file(Path("/dev/full"), said.append)
    for _ in range(3):
        file.write(appeared())
    file.close()
    (line,) = said
    assert line.startswith("/dev/full cannot be written (No space left on device): rows are lost")
    assert file.lost == 3


def test_writing_goes_on_when_there_is_room_again() -> None:
    said: list[str] = []
    now = 0.0
    writes = LastingWrites("rows.jsonl", "rows", said.append, clock=lambda: now)

    def fail() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert writes.attempt(lambda: None)
    assert not writes.attempt(fail)
    now = 4.0
    assert not writes.attempt(never_called)  # a full disk is not asked at every row
    now = 5.0
    assert not writes.attempt(fail)
    now = 10.0
    assert writes.attempt(lambda: None)
    assert said[1:] == ["rows.jsonl is written again; 3 rows were lost"]
    assert writes.lost == 3


def never_called() -> None:
    raise AssertionError


def test_no_half_line_stays_where_the_disk_takes_only_a_part(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    said: list[str] = []
    file = open_file(path, said.append)
    with largest_file(1024):
        for _ in range(40):
            file.write(appeared())
        file.close()
    (told,) = said
    assert "rows.jsonl cannot be written (" in told
    fitting = 1024 // SIZE
    assert ids(path) == ["door-1"] * fitting
    assert file.lost == 40 - fitting


def test_names_that_are_no_utf8_become_escapes(tmp_path: Path) -> None:
    file = open_file(tmp_path / "rows.jsonl")
    row: Row = appeared(stream="caf\udce9")
    file.write(row)
    file.close()
    assert json.loads((tmp_path / "rows.jsonl").read_bytes())["stream"] == "caf\udce9"

"""A picture of each appearance: its name, its colors, its row in EXIF, and its bound."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.outputs.clips import ClipFolder
from cdul_edge_runtime.streams.row_json import to_json
from tests.fakes.full_disk import largest_file
from tests.fakes.stream_rows import appeared, frame, gone, prediction


def never(line: str) -> None:
    raise AssertionError(line)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_label_that_appears_leaves_its_picture_and_row_and_nothing_else_does(
    tmp_path: Path,
) -> None:
    clips = ClipFolder(tmp_path / "clips", to_json, never)
    row = appeared(picture=frame((0, 0, 255), color="bgr"))
    for one in (prediction(), row, gone(), appeared(picture=None)):
        clips.write(one)
    assert names(tmp_path / "clips") == ["20261127T000000.125Z_door_red_door-1.jpg"]
    with Image.open(tmp_path / "clips" / names(tmp_path / "clips")[0]) as image:
        assert np.abs(np.asarray(image).astype(int) - [254, 0, 0]).max() <= 3  # blue first, so red
        tags = image.getexif()
        assert json.loads(tags[0x010E]) == json.loads(to_json(row))
        assert tags[0x0132] == "2026:11:27 00:00:00"
    clips.write(replace(row, id="a", time_s=row.time_s + 0.0006))
    assert names(tmp_path / "clips")[1].startswith("20261127T000000.126Z")  # as its row says


@pytest.mark.parametrize(
    ("stream", "label", "part"),
    [
        ("front door", "TV/monitor", "_front-door_TV-monitor_"),
        ("..", "../../etc/passwd", "_.._..-..-etc-passwd_"),
        ("größe", "犬" * 300, "_gr-e_-_"),
        ("a" * 300, "b" * 300, f"_{'a' * 60}_{'b' * 60}_"),
        ("a\0b", "new\nline", "_a-b_new-line_"),
        ("a", "b" * 70_000, f"_a_{'b' * 60}_"),  # more than EXIF holds
    ],
)
def test_any_name_is_a_file_in_the_folder(
    tmp_path: Path, stream: str, label: str, part: str
) -> None:
    ClipFolder(tmp_path, to_json, never).write(appeared(label, stream, id="7", picture=frame()))
    (name,) = names(tmp_path)
    assert name == f"20261127T000000.125Z{part}7.jpg"


def test_the_oldest_go_and_what_a_watch_did_not_make_stays(tmp_path: Path) -> None:
    foreign = tmp_path / "20200101T000000.000Z_mine.jpg"
    Image.new("RGB", (64, 64)).save(foreign)
    first = ClipFolder(tmp_path, to_json, never)
    for number in range(3):
        first.write(appeared(id=f"a{number}", picture=frame()))
    size = sum(path.stat().st_size for path in tmp_path.glob("*_a?.jpg")) / 3
    second = ClipFolder(tmp_path, to_json, never, size_mib=2.5 * size / (1 << 20))
    second.write(appeared(id="b0", picture=frame()))
    kept = [name.rpartition("_")[2] for name in names(tmp_path) if name != foreign.name]
    assert kept == ["a2.jpg", "b0.jpg"]
    assert foreign.is_file()


def test_a_frame_that_cannot_be_written_is_told_once_and_counted(tmp_path: Path) -> None:
    said: list[str] = []
    clips = ClipFolder(tmp_path / "clips", to_json, said.append)
    (tmp_path / "clips").rmdir()
    (tmp_path / "clips").touch()  # a file where the folder was
    for _ in range(2):
        clips.write(appeared(picture=frame()))
    assert len(said) == 1
    assert "clips cannot be written (" in said[0]
    assert clips.lost == 2


def test_a_picture_that_the_disk_takes_a_part_of_is_lost_and_leaves_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    clips = ClipFolder(tmp_path, to_json, said.append)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    with largest_file(2048):
        clips.write(appeared(picture=Frame(noise, 0.0)))
    (told,) = said
    assert "cannot be written (File too large)" in told
    assert clips.lost == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize("time_s", [1e300, float("nan")])
def test_a_picture_of_a_time_that_no_calendar_has_is_kept(tmp_path: Path, time_s: float) -> None:
    clips = ClipFolder(tmp_path, to_json, never)
    clips.write(replace(appeared(picture=frame()), time_s=time_s))
    assert names(tmp_path) == ["00000000T000000.000Z_door_red_door-1.jpg"]


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    clips = ClipFolder(tmp_path / "clips", to_json, never)
    (tmp_path / "clips").rmdir()
    clips.write(appeared(picture=frame()))
    assert len(names(tmp_path / "clips")) == 1


def test_a_bound_of_nothing_and_a_file_in_its_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CdulEdgeError, match="expected more than 0"):
        ClipFolder(tmp_path, to_json, never, size_mib=0)
    (tmp_path / "file").touch()
    with pytest.raises(CdulEdgeError, match="is a file: name a folder"):
        ClipFolder(tmp_path / "file", to_json, never)


def test_a_picture_that_somebody_edited_meanwhile_stays(tmp_path: Path) -> None:
    clips = ClipFolder(tmp_path, to_json, never, size_mib=1e-6)
    clips.write(appeared(id="a0", picture=frame()))
    (edited,) = tmp_path.iterdir()
    Image.new("RGB", (64, 64)).save(edited)  # without what names its maker
    for name in ("a1", "a2"):
        clips.write(appeared(id=name, picture=frame()))
    kept = [name.rpartition("_")[2] for name in names(tmp_path)]
    assert kept == ["a0.jpg", "a2.jpg"]

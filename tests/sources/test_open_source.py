"""What --images may name, and how it is cut into parts."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from cdul_edge.sources.open_source import open_source
from cdul_edge.sources.paths import HeldPaths
from cdul_edge.sources.shards import ShardPictures
from cdul_edge.sources.source import SourcePicture
from cdul_edge_runtime.errors import CdulEdgeError, ImageError
from tests.fakes.shards import picture_bytes, write_tar


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures, one of them in a folder."""
    (tmp_path / "photos" / "b").mkdir(parents=True)
    for name in ("0.png", "1.png", "2.png", "a.png", "b/0.png"):
        (tmp_path / "photos" / name).write_bytes(picture_bytes(len(name)))
    return tmp_path / "photos"


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Five shards of one picture each, and a file that is none."""
    for index in range(8, 13):
        write_tar(tmp_path / "tars" / f"s-{index:03}.tar", [(f"{index}.png", b"1")])
    (tmp_path / "tars" / "about.txt").write_text("five shards")
    return tmp_path / "tars"


def test_a_folder_is_cut_into_parts_and_read_by_name(folder: Path) -> None:
    source = open_source(folder, 2)
    assert (source.root, source.parts, source.pictures) == (folder, 3, 5)
    assert [source.paths(part) for part in range(3)] == [
        ("0.png", "1.png"),
        ("2.png", "a.png"),
        ("b/0.png",),
    ]
    assert list(source.part(2)) == [SourcePicture("b/0.png")]
    given = source.read("b/0.png")
    file = folder / "b" / "0.png"
    assert (given.content, given.mtime_ns) == (file.read_bytes(), file.stat().st_mtime_ns)
    with pytest.raises(ImageError, match="No such file"):
        source.read("c.png")
    assert pickle.loads(pickle.dumps(source)).paths(1) == ("2.png", "a.png")


def test_a_list_and_a_csv_keep_their_order(folder: Path) -> None:
    (folder / "list.txt").write_text("a.png\n0.png\n")
    (folder / "list.csv").write_text("image_path,x\nb/0.png,1\n1.png,2\n")
    assert open_source(folder / "list.txt", 9).paths(0) == ("a.png", "0.png")
    assert open_source(folder / "list.csv", 9).paths(0) == ("b/0.png", "1.png")


def test_a_folder_with_pictures_and_shards_is_a_folder_of_pictures(folder: Path) -> None:
    write_tar(folder / "0.tar", [("x.png", b"1")])
    with pytest.warns(UserWarning, match=r"left out 1 that do not end as pictures do \('.tar'\)"):
        assert open_source(folder, 9).pictures == 5


def test_a_folder_of_shards_is_cut_by_shards(shards: Path) -> None:
    source = open_source(shards, 512, part_shards=2)
    assert isinstance(source, ShardPictures)
    assert (source.root, source.parts, source.pictures) == (shards, 3, None)
    assert [source.paths(part) for part in range(3)] == [
        ("8.png", "9.png"),
        ("10.png", "11.png"),
        ("12.png",),
    ]
    assert pickle.loads(pickle.dumps(source)) == source


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("s-{008..012}.tar", ["s-008.tar", "s-009.tar", "s-010.tar", "s-011.tar", "s-012.tar"]),
        ("s-{012,008}.tar", ["s-012.tar", "s-008.tar"]),
        ("s-0{1,0}{0..9}.tar", None),
        ("s-009.tar", ["s-009.tar"]),
    ],
)
def test_a_pattern_names_shards(shards: Path, pattern: str, expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(CdulEdgeError, match=r"s-013.tar does not exist, nor are 14 others"):
            open_source(shards / pattern, 1)
        return
    source = open_source(shards / pattern, 1)
    assert isinstance(source, ShardPictures)
    assert [shard.name for shard in source.shards] == expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("s-{008,008}.tar", "names the shard s-008.tar twice"),
        ("s-{9..8}.tar", r"counts down, from 9 to 8: write 8\.\.9"),
        ("s-{0..99999999999}.tar", "check the range in braces"),
    ],
)
def test_a_pattern_that_is_a_slip_is_refused(shards: Path, pattern: str, message: str) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        open_source(shards / pattern, 1)


def test_held_paths_are_sliced_across_chunks() -> None:
    names = [f"{index:06}.jpg" for index in range(70_000)]
    held = HeldPaths.gather(iter(names))
    assert (len(held), held.slice(65_530, 65_545)) == (70_000, tuple(names[65_530:65_545]))
    assert list(held) == names
    assert held.slice(69_999, 80_000) == ("069999.jpg",)
    assert len(HeldPaths.gather([])) == 0

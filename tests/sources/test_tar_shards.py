"""Tar shards: what a picture is, its order and time, and every way in which a shard can be bad."""

from __future__ import annotations

import io
import re
import tarfile
import warnings
from pathlib import Path

import pytest

from cdul_edge.sources.open_source import open_source
from cdul_edge.sources.source import PictureSource, SourcePicture
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from tests.fakes.shards import TIME, make_member, picture_bytes, write_tar

PICTURES = [(f"{index}.png", picture_bytes(index)) for index in (2, 0, 1)]


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """Three pictures, not in the order of their names."""
    return write_tar(tmp_path / "a.tar", PICTURES)


def read(source: PictureSource, part: int = 0) -> list[SourcePicture]:
    return list(source.part(part))


def expect_refusal(shard: Path, message: str) -> None:
    with pytest.raises(CdulEdgeError, match=message) as caught:
        read(open_source(shard, 1))
    assert str(shard) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pictures_come_in_the_order_of_the_shard_with_their_bytes_and_time(shard: Path) -> None:
    source = open_source(shard, 1)
    assert (source.parts, source.pictures, source.root) == (1, None, shard.parent)
    expected = [SourcePicture(name, content, TIME * 10**9) for name, content in PICTURES]
    assert read(source) == expected
    assert source.paths(0) == ("2.png", "0.png", "1.png")


def test_a_time_in_a_pax_header_is_exact_to_the_nanosecond(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name, mtime in (("a.png", "1700000000.123456789"), ("b.png", "NaN")):
            member = make_member(name, 1)
            member.pax_headers = {"mtime": mtime}
            tar.addfile(member, io.BytesIO(b"1"))
    times = [picture.mtime_ns for picture in read(open_source(tmp_path / "a.tar", 1))]
    assert times == [1_700_000_000_123_456_789, 0]


def test_of_a_sample_the_picture_counts_and_the_rest_is_counted_and_said_once(
    tmp_path: Path,
) -> None:
    for shard in "ab":
        members = [(f"{shard}{i}.{end}", b"1") for i in range(2) for end in ("jpg", "json", "cls")]
        write_tar(tmp_path / f"{shard}.tar", [*members, (f"{shard}/._0.jpg", b"1")])
    source = open_source(tmp_path, 1)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        paths = [source.paths(part) for part in range(source.parts)]
    assert paths == [("a0.jpg", "a1.jpg"), ("b0.jpg", "b1.jpg")]
    (line,) = [str(one.message) for one in said]
    assert line == (
        f"{tmp_path / 'a.tar'}: left out 1 that are hidden or left by other programs, 2 that end "
        "with '.cls', 2 that end with '.json'; the same in later shards is not said again"
    )


@pytest.mark.parametrize("packed", ["gz", "bz2", "xz"])
def test_a_compressed_tar_is_read_and_one_that_is_cut_is_refused(
    tmp_path: Path, packed: str
) -> None:
    shard = write_tar(tmp_path / f"a.tar.{packed}", PICTURES, f"w:{packed}")
    assert [picture.path for picture in read(open_source(shard, 1))] == ["2.png", "0.png", "1.png"]
    shard.write_bytes(shard.read_bytes()[:-9])
    expect_refusal(shard, "is cut or damaged")


def test_a_shard_that_is_cut_anywhere_is_refused(shard: Path) -> None:
    whole = shard.read_bytes()
    ends = len(whole.rstrip(b"\0")) // 512 * 512 + 512  # of the last block with content
    for size in (*range(1, ends + 1, 100), ends):
        shard.write_bytes(whole[:size])
        expect_refusal(shard, r"is cut|is no whole tar|cut or damaged")
    shard.write_bytes(whole[: ends + 512])  # one block of zeros is an end
    assert len(read(open_source(shard, 1))) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"no tar" * 200, "is no whole tar: it does not begin as one"),
        (b"PK\x03\x04" + bytes(1000), "is no tar, but a ZIP archive"),
        (b"\x28\xb5\x2f\xfd" + bytes(1000), "compressed with Zstandard: unpack it"),
    ],
    ids=["empty", "text", "zip", "zstd"],
)
def test_what_is_no_tar_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    shard = tmp_path / "a.tar"
    shard.write_bytes(content)
    expect_refusal(shard, message)


def test_a_damaged_header_is_no_end(shard: Path) -> None:
    content = bytearray(shard.read_bytes())
    content[content.index(b"0.png")] ^= 1  # the checksum of the second header is wrong now
    shard.write_bytes(content)
    expect_refusal(shard, "is no whole tar: .*: make or copy it again, then run the same command")


def test_two_tars_in_one_file_are_refused(shard: Path) -> None:
    shard.write_bytes(shard.read_bytes() * 2)
    expect_refusal(shard, "goes on behind its end")


def test_links_folders_and_devices_are_no_pictures(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(make_member("d.png", kind=tarfile.DIRTYPE))
        for name, kind in (
            ("hard.png", tarfile.LNKTYPE),
            ("soft.png", tarfile.SYMTYPE),
            ("pipe.png", tarfile.FIFOTYPE),
            ("disk.png", tarfile.BLKTYPE),
        ):
            tar.addfile(make_member(name, kind=kind))
        tar.addfile(make_member("./d/real.png", 1), io.BytesIO(b"1"))
    with pytest.warns(CdulEdgeWarning, match="2 that are devices or pipes, 2 that are links"):
        assert open_source(tmp_path / "a.tar", 1).paths(0) == ("d/real.png",)


def test_a_name_that_is_not_utf8_is_left_out_and_said(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        for name in ("caf\udce9.png", "café.png"):
            tar.addfile(make_member(name, 1), io.BytesIO(b"1"))
    with pytest.warns(CdulEdgeWarning, match="1 whose name is not UTF-8"):
        assert open_source(tmp_path / "a.tar", 1).paths(0) == ("café.png",)


def test_what_leads_out_of_the_shard_or_is_too_large_is_skipped_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdul_edge.sources.tar_shard.MAX_PICTURE_BYTES", 1 << 20)
    names = ("/etc/a.png", "../b.png", "a/../../c.png", "a/../d.png")
    members = [(name, b"1") for name in names] + [("e.png", bytes(3 << 20))]
    write_tar(tmp_path / "a.tar", members)
    found = {picture.path: picture.reason for picture in read(open_source(tmp_path / "a.tar", 1))}
    out = "has a name that leads out of its shard"
    assert found == {
        **{"/etc/a.png": out, "../b.png": out, "../c.png": out, "d.png": None},
        "e.png": "has 3 MiB, more than the limit of 1 MiB",
    }


def test_a_picture_twice_in_a_part_is_refused_naming_both_shards(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [("0.png", b"1"), ("0.png", b"2")])
    with pytest.raises(CdulEdgeError, match=r"a.tar holds two pictures called '0.png'"):
        read(open_source(tmp_path, 1))
    for name in ("a.tar", "b.tar"):
        write_tar(tmp_path / name, [("0.png", b"1")])
    with pytest.raises(CdulEdgeError, match=r"a.tar and b.tar both hold a picture called '0.png'"):
        read(open_source(tmp_path, 1, part_shards=2))


def test_a_shard_that_vanishes_or_changes_after_the_listing_is_named(shard: Path) -> None:
    source = open_source(shard, 1)
    write_tar(shard, PICTURES * 9)
    with pytest.raises(CdulEdgeError, match=re.escape(f"{shard} has ") + r"\d+ bytes, and had"):
        read(source)
    shard.unlink()
    with pytest.raises(CdulEdgeError, match=re.escape(f"{shard} is gone since")):
        read(source)

"""The same pictures from an object store: S3's imitation."""

from __future__ import annotations

import pickle
from pathlib import Path
from uuid import uuid4

import pytest

from cdul_edge.labelling.store.pictures import Content, StoredPicture, digest_bytes, is_same
from cdul_edge.sources.open_source import open_source
from cdul_edge.sources.source import Look, SourcePicture
from cdul_edge.storage.location import Url
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning, ImageError
from tests.fakes.s3_server import S3Server
from tests.fakes.shards import TIME, write_tar


@pytest.fixture
def bucket(s3: S3Server) -> Url:
    name = f"b{uuid4()}"
    s3.make_bucket(name)
    return Url(f"s3://{name}")


def put(folder: Url, files: dict[str, bytes]) -> None:
    storage = open_storage(folder)
    for name, content in files.items():
        with storage.write_stream(name) as file:
            file.write(content)


def test_a_folder_is_listed_and_read_by_name(bucket: Url) -> None:
    folder = bucket / "photos"
    put(folder, {"b/1.jpg": b"11", "a.jpg": b"1", "about.md": b"x", ".hidden.jpg": b"x"})
    with pytest.warns(CdulEdgeWarning, match="left out 1 that do not end as pictures do"):
        source = open_source(folder, 1)
    assert (source.root, source.pictures) == (folder, 2)
    assert [source.paths(part) for part in range(2)] == [("a.jpg",), ("b/1.jpg",)]
    files = pickle.loads(pickle.dumps(source.files))
    read = files.read("b/1.jpg")
    assert (read.content, read.mtime_ns % 10**9) == (b"11", 0)
    assert read.mtime_ns > 0
    with pytest.raises(ImageError, match=r"cannot be read \(No such file"):
        source.read("c.jpg")
    for files in (source.files, source.files.listed()):
        assert files.look("b/1.jpg") == Look(2, read.mtime_ns)
        assert files.look("c.jpg") == Look()


def test_another_picture_of_the_same_size_is_noticed_by_its_time(bucket: Url) -> None:
    put(bucket, {"a.jpg": b"22"})
    files = open_source(bucket, 1).files
    now = files.look("a.jpg")
    for second, then, same in [(0, b"22", True), (1, b"22", True), (1, b"11", False)]:
        content = Content(2, now.mtime_ns - second * 10**9, digest_bytes(then))
        assert is_same(files, StoredPicture("a.jpg", content=content)) is same


def test_a_list_names_pictures_beside_it_and_addresses(bucket: Url, tmp_path: Path) -> None:
    address = str(bucket / "more" / "b.jpg")
    put(bucket / "more", {"b.jpg": b"2"})
    put(bucket / "photos", {"a.jpg": b"1", "list.txt": f"a.jpg\n{address}\n".encode()})
    source = open_source(bucket / "photos" / "list.txt", 9)
    assert source.paths(0) == ("a.jpg", address)
    assert [source.read(path).content for path in source.paths(0)] == [b"1", b"2"]
    # a list of this machine may name them, too
    (tmp_path / "c.jpg").write_bytes(b"3")
    (tmp_path / "here.txt").write_text(f"{address}\nc.jpg")
    source = open_source(tmp_path / "here.txt", 9)
    assert [source.read(path).content for path in source.paths(0)] == [b"2", b"3"]
    found = (tmp_path / "c.jpg").stat()
    assert source.files.look("c.jpg") == Look(1, found.st_mtime_ns)


def test_shards_are_read_from_a_folder_a_pattern_or_by_name(bucket: Url, tmp_path: Path) -> None:
    for index in range(2):
        shard = write_tar(tmp_path / "a.tar", [(f"{index}.jpg", b"1")])
        put(bucket / "tars", {f"s{index}.tar": shard.read_bytes()})
    for images in ("tars", "tars/s{0..1}.tar"):
        source = open_source(bucket / images, 1)
        assert [list(source.part(part)) for part in range(2)] == [
            [SourcePicture(f"{index}.jpg", b"1", TIME * 10**9)] for index in range(2)
        ]
    assert open_source(bucket / "tars" / "s1.tar", 1).paths(0) == ("1.jpg",)
    with pytest.raises(CdulEdgeError, match=r"the shard s3://.*/s2\.tar does not exist: check the"):
        open_source(bucket / "tars" / "s{0..2}.tar", 1)
    source = open_source(bucket / "tars", 1)
    open_storage(bucket / "tars").remove("s1.tar")
    with pytest.raises(CdulEdgeError, match=r"the shard s3://.*/s1\.tar is gone since"):
        source.paths(1)


def test_a_bucket_that_is_not_there_or_empty_is_one_line(bucket: Url) -> None:
    with pytest.raises(CdulEdgeError, match=r"no pictures in s3://.*: expected files such as .jpg"):
        open_source(bucket / "nothing", 1)
    with pytest.raises(CdulEdgeError, match="there is no such bucket, 'cdul-edge-none'"):
        open_source(Url("s3://cdul-edge-none/photos"), 1)
    with pytest.raises(CdulEdgeError, match=r"list\.csv does not exist: give a folder"):
        open_source(bucket / "list.csv", 1)

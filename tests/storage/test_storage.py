"""One interface over a folder, S3's imitation, and fsspec's memory."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from uuid import uuid4

import pytest

from cdul_edge.storage.location import Location, Url, parse_location
from cdul_edge.storage.open_storage import open_parent, open_storage
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.s3_server import S3Server


@pytest.fixture(params=["folder", "s3", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    if request.param == "folder":
        return tmp_path / "folder"
    if request.param == "memory":
        return Url(f"memory://{uuid4()}/folder")
    server: S3Server = request.getfixturevalue("s3")
    server.make_bucket("bucket")
    return Url("s3://bucket/folder")


def test_what_is_written_is_listed_read_moved_and_removed_anywhere(place: Location) -> None:
    storage = open_storage(place)
    assert dict(storage.sizes()) == {}
    for name, content in {"b.txt": b"", "a/1.bin": b"12345", "a/b/2.bin": b"12"}.items():
        with storage.write_stream(name) as file:
            file.write(content)
    assert dict(storage.sizes()) == {"a/1.bin": 5, "a/b/2.bin": 2, "b.txt": 0}
    assert dict(storage.sizes("a")) == {"a/1.bin": 5, "a/b/2.bin": 2}
    assert dict(storage.sizes("none")) == {}
    assert storage.read("a/1.bin") == b"12345"
    assert storage.sha256("a/1.bin") == hashlib.sha256(b"12345").hexdigest()
    with storage.open("a/1.bin") as opened:
        opened.seek(3)
        assert opened.read() == b"45"
    storage.move("a/1.bin", "earlier/1.bin")
    storage.remove("a/b/2.bin")
    storage.remove("a/b/2.bin")
    assert dict(storage.sizes()) == {"b.txt": 0, "earlier/1.bin": 5}


def test_a_write_that_fails_leaves_the_former_file(place: Location) -> None:
    storage = open_storage(place)
    with storage.write_stream("file") as file:
        file.write(b"former")
    with pytest.raises(RuntimeError), storage.write("file") as temporary:
        temporary.write_bytes(b"half of the ne")
        raise RuntimeError
    assert dict(storage.sizes()) == {"file": 6}
    assert storage.read("file") == b"former"


def test_a_name_that_is_not_there_is_file_not_found(place: Location) -> None:
    storage = open_storage(place)
    for ask in (storage.read, storage.open, storage.sha256):
        with pytest.raises(FileNotFoundError):
            ask("none")
    with pytest.raises(FileNotFoundError):
        storage.move("none", "other")


def test_a_folder_is_no_file_to_remove(tmp_path: Path) -> None:
    (tmp_path / "pseudo_labels.parquet").mkdir()
    open_storage(tmp_path).remove("pseudo_labels.parquet")
    assert (tmp_path / "pseudo_labels.parquet").is_dir()


def test_a_storage_travels_to_other_processes(place: Location) -> None:
    storage, name = open_parent(place / "file")
    with storage.write_stream(name) as file:
        file.write(b"1")
    assert dict(pickle.loads(pickle.dumps(storage)).sizes()) == {"file": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://bucket/a/", Url("s3://bucket/a")),
        ("photos/train", Path("photos/train")),
        ("file:///srv/photos", Path("/srv/photos")),
        (r"C:\photos", Path(r"C:\photos")),
    ],
)
def test_an_address_is_told_from_a_path(text: str, expected: Location) -> None:
    assert parse_location(text) == expected


def test_an_address_has_a_name_and_a_parent_as_a_path_has() -> None:
    url = Url("s3://bucket/a/b.txt")
    assert (url.scheme, url.place, url.name) == ("s3", "bucket/a/b.txt", "b.txt")
    assert (url.parent, url.parent.parent) == (Url("s3://bucket/a"), Url("s3://bucket"))
    assert Url("s3://bucket").parent == Url("s3://bucket")


@pytest.mark.parametrize("text", ["s3://KEY:hush@bucket/a", "https://me:hush@host/a"])
def test_an_address_with_credentials_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(CdulEdgeError, match="holds credentials") as caught:
        parse_location(text)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("file://server/photos", "write file:///PATH"),
        ("file://photos", "write file:///PATH"),
        ("s3:/bucket/a", "write s3://bucket/a, or ./s3:/bucket/a"),
        ("gs:/bucket", "write gs://bucket"),
    ],
)
def test_a_slip_in_an_address_is_not_taken_for_a_path(text: str, fix: str) -> None:
    with pytest.raises(CdulEdgeError, match=fix):
        parse_location(text)
    assert parse_location(f"./{text}") == Path(text)

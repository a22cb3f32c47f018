"""What a network, an account or an address can do wrong is one line, in bounded time."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cdul_edge.labels.parquet_files import read_table
from cdul_edge.storage import file_systems
from cdul_edge.storage.faults import explain_fault
from cdul_edge.storage.location import Url, parse_location
from cdul_edge.storage.open_storage import open_storage
from cdul_edge.storage.storage import Storage
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError, MissingExtraError
from tests.fakes.free_port import free_port
from tests.fakes.s3_server import S3Server

PLACE = Url("s3://bucket/labels")
SECRET = "secret-of-the-imitation"


def write(storage: Storage) -> None:
    with storage.write_stream("file") as file:
        file.write(b"1")


ASKED: dict[str, Callable[[Storage], object]] = {
    "listed": lambda storage: storage.sizes(),
    "read": lambda storage: storage.read("file"),
    "written": write,
}


def fault(place: Url, done: str) -> str:
    """The one line that a request ends in."""
    with pytest.raises(CdulEdgeError) as caught:
        ASKED[done](open_storage(place))
    said = str(caught.value)
    assert said.startswith(f"{place}")
    assert f" cannot be {done}: " in said
    assert SECRET not in said
    assert "AKIAIMITATION" not in said
    return said


class _Answers(BaseHTTPRequestHandler):
    """A server that answers everything alike."""

    status, body = 403, b""

    def answer(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        """Say nothing."""


DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
PAGE = b"<html><body>Welcome to the router</body></html>"


@pytest.fixture
def serve(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, bytes], None]]:
    """Have s3:// lead to a server that gives one answer to everything."""
    servers = []

    def run(status: int, body: bytes) -> None:
        handler = type("_Answer", (_Answers,), {"status": status, "body": body})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")

    yield run
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_systems, "ATTEMPTS", 1)
    monkeypatch.setattr(file_systems, "SILENCE_S", 1)


@pytest.mark.parametrize("done", ASKED)
def test_a_bucket_that_is_not_there_is_named(s3: S3Server, done: str) -> None:
    assert "there is no such bucket, 'bucket': check its name" in fault(PLACE, done)


@pytest.mark.parametrize("done", ASKED)
def test_denied_access_is_told_from_missing_credentials(
    serve: Callable[[int, bytes], None], monkeypatch: pytest.MonkeyPatch, done: str
) -> None:
    serve(403, DENIED)
    assert "access was denied: check that the credentials are right" in fault(PLACE, done)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "no credentials were found: set AWS_ACCESS_KEY_ID and" in fault(PLACE, done)


def test_what_answers_may_be_no_object_store(serve: Callable[[int, bytes], None]) -> None:
    serve(501, PAGE)
    assert "no such store" in fault(PLACE, "written")
    assert "check the address and AWS_ENDPOINT_URL" in fault(PLACE, "written")


def test_a_store_that_is_overloaded_is_asked_again_by_the_same_command(
    serve: Callable[[int, bytes], None],
) -> None:
    serve(503, b"<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>")
    assert "is overloaded, or fails" in fault(PLACE, "listed")
    assert "run the same command again: what is finished is kept" in fault(PLACE, "listed")


@pytest.mark.parametrize("done", ASKED)
def test_nobody_at_the_endpoint_is_said_at_once(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, done: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    said = fault(PLACE, done)
    assert "the store cannot be reached (Failed to connect to 127.0.0.1" in said
    assert "check the network and AWS_ENDPOINT_URL" in said


def test_a_server_that_never_answers_is_given_up(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        assert "the store cannot be reached (Operation too slow" in fault(PLACE, "listed")
        assert time.monotonic() - started < 30


def test_a_bucket_that_vanishes_midway_is_no_damage(s3: S3Server) -> None:
    s3.make_bucket("bucket")
    storage = open_storage(PLACE)
    with storage.write("rows.parquet") as temporary:
        pq.write_table(pa.table({"path": ["a.jpg"]}), temporary)
    opened = storage.open("rows.parquet")
    s3.ask("POST", "/moto-api/reset")
    with pytest.raises(CdulEdgeError, match="cannot be read") as caught:
        opened.read()
    assert not isinstance(caught.value, LabelsError)
    with pytest.raises(CdulEdgeError, match="no such bucket") as caught:
        read_table(PLACE / "rows.parquet")
    assert not isinstance(caught.value, LabelsError)  # --repair would label again for nothing
    s3.make_bucket("bucket")
    with pytest.raises(LabelsError, match="is missing"):
        read_table(PLACE / "rows.parquet")


def test_an_object_that_is_removed_while_it_is_read_is_not_one_that_never_was(
    s3: S3Server,
) -> None:
    s3.make_bucket("bucket")
    storage = open_storage(PLACE)
    with storage.write_stream("file") as file:
        file.write(bytes(4096))  # what the store says must fit where the content would go
    opened = storage.open("file")
    storage.remove("file")
    with pytest.raises(CdulEdgeError, match="file cannot be read: it was removed after it was op"):
        opened.read()


def test_an_unknown_scheme_and_a_missing_package_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(CdulEdgeError, match=r"xyz://a/b is of no known kind: expected a path"):
        open_storage(parse_location("xyz://a/b")).sizes()
    monkeypatch.setitem(sys.modules, "paramiko", None)
    with pytest.raises(MissingExtraError, match=r"sftp://a/b needs a package .*paramiko"):
        open_storage(parse_location("sftp://a/b")).sizes()
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtraError, match=r"hf:// addresses need fsspec.*pip install fsspec"):
        open_storage(parse_location("hf://datasets/a/b")).sizes()


def test_what_a_library_says_is_cut_and_holds_no_credential(s3: S3Server, tmp_path: Path) -> None:
    said = explain_fault(PLACE, OSError(f"AWS Error STRANGE: {SECRET} {'x' * 1000}"))
    assert said.startswith("STRANGE: … xxx")
    assert len(said) < 300

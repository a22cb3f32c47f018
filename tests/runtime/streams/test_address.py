"""Addresses: what they name, and what of them may be shown."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.address import parse_address, redact, split_name


def test_a_variable_keeps_an_address_off_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMERA_1", " rtsp://user:pw@host/x\n")
    address = parse_address("env:CAMERA_1")
    assert (address.kind, address.location) == ("rtsp", "rtsp://user:pw@host/x")
    assert address.shown == "rtsp://***@host/x"
    assert split_name("door=env:CAMERA_1") == ("door", "env:CAMERA_1")


@pytest.mark.parametrize("text", ["env:CAMERA_2", "env:", "env:CAMERA_3"])
def test_a_variable_that_is_not_set_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAMERA_2", raising=False)
    monkeypatch.setenv("CAMERA_3", " ")
    with pytest.raises(CdulEdgeError, match=rf"^{text}: the environment variable .+ is not set"):
        parse_address(text)


SHOWN = [
    ("rtsp://user:pw@host/x", "rtsp://***@host/x"),
    ("rtsp://token@host:554/x", "rtsp://***@host:554/x"),
    ("rtsp://u:p@a/b:c%@host:554/x", "rtsp://***@host:554/x"),  # nobody escaped it
    ("rtsp://u:p?w#x@host/x", "rtsp://***@host/x"),
    ("rtsp://admin:12/34@host/x", "rtsp://***@host/x"),  # host "admin", port 12, or a password
    ("rtsp://admin:1234?5@host/x", "rtsp://***@host/x"),
    ("rtsp://ad/min:secret@host/x", "rtsp://***@host/x"),
    ("rtsp://u:p@[fe80::1]:554/x", "rtsp://***@[fe80::1]:554/x"),
    ("rtsp://[::1]:554/x", "rtsp://[::1]:554/x"),
    ("rtsp://host:554/x", "rtsp://host:554/x"),
    ("rtsp://host/x?channel=1&token=secret", "rtsp://host/x?channel=1&token=***"),
    ("rtsp://host/x?secret", "rtsp://host/x?***"),
    ("http://host/x#k=secret", "http://host/x#k=***"),
    ("http://host/?action=stream", "http://host/?action=stream"),
    (
        "rtsp://host/user=admin&password=secret&channel=1",
        "rtsp://host/user=admin&password=***&channel=1",
    ),
    (
        'gst:rtspsrc location=rtsp://u:pw@host/x user-pw="a b" ! fakesink',
        "gst:rtspsrc location=rtsp://***@host/x user-pw=*** ! fakesink",
    ),
    ("admin:secret@192.0.2.1/x", "***@192.0.2.1/x"),  # forgot the protocol
    ("door.mp4", "door.mp4"),
    ("bag:/data/drive#/camera/image", "bag:/data/drive#/camera/image"),
    ("raw:640x480:rgb@25", "raw:640x480:rgb@25"),
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_what_is_shown_holds_no_credentials(text: str, shown: str) -> None:
    address = parse_address(text)
    assert address.shown == shown
    assert shown in repr(address)
    assert redact(text) == shown
    assert redact(f"door={text}") == f"door={shown}"
    assert redact(shown) == shown


def test_a_home_that_nobody_has_is_a_name_like_any_other() -> None:
    address = parse_address("~nobody-of-this-name/a.mp4")
    assert address.kind == "file"
    assert address.location.endswith("/~nobody-of-this-name/a.mp4")


@pytest.mark.parametrize("typo", ["RTSP//", "rtsp;//", "rtsp/", "//", "rtsp:", "./", "rtsp:/", ""])
def test_a_mistyped_protocol_shows_no_credentials(typo: str) -> None:
    shown = parse_address(f"{typo}bob:sesame@192.0.2.1:554/x").shown
    assert "sesame" not in shown
    assert "bob" not in shown
    assert shown.endswith("@192.0.2.1:554/x")


def test_credentials_in_a_sentence_are_hidden() -> None:
    text = "cannot open 'rtsp://u:p@h/x' nor mqtt://u:p@broker:1883: refused"
    assert redact(text) == "cannot open 'rtsp://***@h/x' nor mqtt://***@broker:1883: refused"


@pytest.mark.parametrize(
    ("text", "kind", "location"),
    [
        ("/dev/video0", "device", "/dev/video0"),
        ("RTSP://u:p@h/x", "rtsp", "rtsp://u:p@h/x"),
        ("rtsp://u:a/b@h/x", "rtsp", "rtsp://u:a%2Fb@h/x"),
        ("rtsp://u:a@b@h/x", "rtsp", "rtsp://u:a%40b@h/x"),
        ("rtsp://u:a%40b%zz@h/x", "rtsp", "rtsp://u:a%40b%25zz@h/x"),  # escaped, and not
        ("rtsp://u:p@:/%?#w@h/x", "rtsp", "rtsp://u:p%40%3A%2F%25%3F%23w@h/x"),
        ("rtsp://u:a:b@h/x", "rtsp", "rtsp://u:a%3Ab@h/x"),
        ("rtsp://u:a@b/c@192.0.2.1:554/x", "rtsp", "rtsp://u:a%40b%2Fc@192.0.2.1:554/x"),
        ("rtsp://u:1/2@cam.lan/x", "rtsp", "rtsp://u:1%2F2@cam.lan/x"),
        ("rtsp://192.0.2.1:554/a@b.c", "rtsp", "rtsp://192.0.2.1:554/a@b.c"),
        ("rtsp://u:p@[::1]:554/x", "rtsp", "rtsp://u:p@[::1]:554/x"),
        ("https://h/x?a=b@c", "http", "https://h/x?a=b@c"),
        ("file:///tmp/a%20b#c?.mp4", "file", "/tmp/a b#c?.mp4"),
        ("file://localhost/tmp/a.mp4", "file", "/tmp/a.mp4"),
        ("file:/tmp/a.mp4", "file", "/tmp/a.mp4"),
        ("/tmp/a=b.mp4", "file", "/tmp/a=b.mp4"),
        ("gst:videotestsrc ! appsink", "gst", "videotestsrc ! appsink"),
        ("raw:640x480:rgb", "raw", "640x480:rgb"),
        ("bag:drive#/camera", "bag", "drive#/camera"),
    ],
)
def test_an_address_says_what_reads_it(text: str, kind: str, location: str) -> None:
    address = parse_address(text)
    assert (address.kind, address.location) == (kind, location)


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://admin:secret",
        "rtsp://admin:secret@",
        "rtsp://admin:secret@:554/x",
        "rtsp:///x?secret",
        "http://u:secret@[::1/x",
        "http://u:secret@h:99999/x",
        "http://u:secret@h:port/x",
    ],
)
def test_a_url_without_a_host_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(CdulEdgeError, match="it names no host and port that can be") as caught:
        parse_address(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["", " ", "\0", "rtsp://h/\0", "rtmp://u:secret@h/x", "file://"])
def test_what_no_source_reads_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(CdulEdgeError, match="expected a video file, rtsp://") as caught:
        parse_address(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name", "source"),
    [
        ("door=rtsp://u:p@h/x?a=b", "door", "rtsp://u:p@h/x?a=b"),
        ("back door=/dev/video0", "back door", "/dev/video0"),
        ("rtsp://h/x?a=b", None, "rtsp://h/x?a=b"),
        (
            "gst:videotestsrc pattern=ball ! appsink",
            None,
            "gst:videotestsrc pattern=ball ! appsink",
        ),
        ("./a=b.mp4", None, "./a=b.mp4"),
    ],
)
def test_a_name_stands_before_its_source(text: str, name: str | None, source: str) -> None:
    assert split_name(text) == (name, source)


@settings(deadline=None)
@given(
    user=st.text("ab@:/?#%=&.1", max_size=6),
    password=st.text("xyz@:/?#%=&.[]7", min_size=1, max_size=9),
)
def test_no_password_is_ever_shown(user: str, password: str) -> None:
    """However it is written: everything up to the last "@" is hidden."""
    text = f"rtsp://a{user}:{password}@cam.example:554/live"
    shown = "rtsp://***@cam.example:554/live"
    assert redact(f"no answer of {text} today") == f"no answer of {shown} today"
    assert said_of(text).startswith(shown)


def said_of(text: str) -> str:
    try:
        return parse_address(text).shown
    except CdulEdgeError as error:  # what seems to be the host can be none
        return str(error)


@settings(deadline=None)
@given(password=st.text("xyz@:/%7", min_size=1, max_size=9))
def test_a_password_that_nobody_escaped_reaches_its_host(password: str) -> None:
    url = urlsplit(parse_address(f"rtsp://user:{password}@cam.example:554/live").location)
    assert url.hostname == "cam.example"
    assert unquote(url.password or "") == unquote(password)

"""`[NAME=]SOURCE`: where a name ends, and which names sources get that have none."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdul_edge.cli.options.sources import name_sources
from cdul_edge_runtime.errors import CdulEdgeError


@pytest.mark.parametrize(
    ("given", "name", "source"),
    [
        ("door=rtsp://10.0.0.5/a", "door", "rtsp://10.0.0.5/a"),
        ("front door=/dev/video0", "front door", "/dev/video0"),
        ("größe=a.mp4", "größe", "a.mp4"),
        ("x=gst:videotestsrc pattern=ball ! x", "x", "gst:videotestsrc pattern=ball ! x"),
        ("cam=http://host/?a=b", "cam", "http://host/?a=b"),
        ("http://host/video?user=a&x=b", "host", "http://host/video?user=a&x=b"),
        ("rtsp://u:p=w@10.0.0.5:554/s", "10.0.0.5", "rtsp://u:p=w@10.0.0.5:554/s"),
        ("rtsp://[::1]:554/s", "::1", "rtsp://[::1]:554/s"),
        (r"C:\videos\a=b.mp4", None, r"C:\videos\a=b.mp4"),
        ("videos/a=b.mp4", "a=b", "videos/a=b.mp4"),
        ("/dev/video0", "video0", "/dev/video0"),
        ("raw:640x480:rgb", "stdin", "raw:640x480:rgb"),
        ("bag:runs/drive#/camera", "drive", "bag:runs/drive#/camera"),
        ("gst:videotestsrc num-buffers=3", "gst", "gst:videotestsrc num-buffers=3"),
    ],
)
def test_a_name_ends_at_the_first_equals_sign_that_is_not_part_of_an_address(
    given: str, name: str | None, source: str
) -> None:
    ((found, address),) = name_sources([given]).items()
    assert address == source
    assert name in (None, found)


def test_a_file_with_an_equals_sign_in_its_name_needs_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.mp4").touch()
    assert dict(name_sources(["a=b.mp4"])) == {"a=b": "a=b.mp4"}


def test_sources_without_a_name_never_share_one_nor_take_a_given_one() -> None:
    found = name_sources(["x/a.mp4", "y/a.mp4", "a-2=z.mp4", "rtsp://h/1", "rtsp://h/2"])
    assert list(found) == ["a", "a-3", "a-2", "h", "h-2"]


@pytest.mark.parametrize("typo", ["bob:sesame@host", "rtsp/bob:sesame@host:554", "//a:sesame@host"])
def test_no_name_is_made_of_credentials(typo: str) -> None:
    (name,) = name_sources([typo])
    assert "sesame" not in name


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["a=x.mp4", "a=y.mp4"], "two sources are named a: give each a name of its own"),
        (["=x.mp4"], "the name before = is empty"),
        (["  =x.mp4"], "the name before = is empty"),
        (["a\nb=x.mp4"], r"'a\\nb' is no name of a source"),
        (["a" * 101 + "=x.mp4"], "expected at most 100 printable characters"),
        (["a=raw:8x8:rgb", "b=raw:8x8:rgb"], r"two sources read stdin \(raw:\)"),
        (["ftp://host/x"], "ftp:// cannot be read: expected a video file, rtsp://"),
        (["door="], "door= names no source: give one after ="),
    ],
)
def test_what_is_no_name_is_refused_in_one_line(given: list[str], message: str) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        name_sources(given)

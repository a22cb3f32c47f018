"""Local cameras as far as a machine without one can tell."""

from __future__ import annotations

import errno
import threading
import time
from pathlib import Path

import pytest

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.address import Address
from cdul_edge_runtime.streams.source import StreamLost
from cdul_edge_runtime.streams.sources.open_source import SourceOptions, open_source
from cdul_edge_runtime.streams.sources.video.host_lookup import HostLookup

av = pytest.importorskip("av", reason="needs cdul-edge[video]")

from cdul_edge_runtime.streams.sources.video import av_failure, av_open  # noqa: E402
from cdul_edge_runtime.streams.sources.video.av_source import AvSource  # noqa: E402

CAMERA = Address("device", "/dev/video0", "/dev/video0")


def test_a_camera_that_is_not_there_fails_at_once() -> None:
    if Path("/dev/video97").exists():
        pytest.skip("needs a machine without /dev/video97")
    source = open_source("/dev/video97")
    assert not source.finite
    with pytest.raises(CdulEdgeError, match="there is no such camera") as caught:
        source.open()
    assert type(caught.value) is CdulEdgeError


def test_a_device_that_is_no_camera_is_refused() -> None:
    source = AvSource(Address("device", "/dev/null", "/dev/null"), SourceOptions())
    with pytest.raises(CdulEdgeError, match="it is not a camera; most have a second device"):
        source.open()


def test_a_camera_that_was_unplugged_may_be_plugged_in_again() -> None:
    address = Address("device", "/dev/video97", "/dev/video97")
    with pytest.raises(StreamLost):
        av_open.check_device(address, opened_before=True)


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (errno.EACCES, CdulEdgeError, "permission denied; add the user to the group video"),
        (errno.ENOTTY, CdulEdgeError, "it is not a camera"),
        (errno.EINVAL, CdulEdgeError, "it is not a camera"),
        (errno.EBUSY, StreamLost, "Device or resource busy"),
        (errno.ENODEV, StreamLost, "No such device"),
    ],
)
def test_what_the_kernel_says_of_a_camera(code: int, kind: type, reason: str) -> None:
    with pytest.raises(av.FFmpegError) as raised:
        av.error.err_check(-code)
    failure = av_failure.live_failure(CAMERA, raised.value, opened_before=False)
    assert type(failure) is kind
    assert str(failure).startswith(f"/dev/video0: {reason}")


def test_a_lookup_that_hangs_can_be_interrupted_and_times_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: answered.wait())
    address = Address("rtsp", "rtsp://u:secret@camera.example/x", "rtsp://***@camera.example/x")
    with pytest.raises(StreamLost, match=r"rtsp://\*\*\*@camera.example/x: the lookup of its host"):
        HostLookup(address).wait(0.01)
    lookup = HostLookup(address)
    threading.Timer(0.05, lookup.interrupt).start()
    begun_s = time.monotonic()
    lookup.wait(30)
    assert time.monotonic() - begun_s < 20
    answered.set()


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]", "[fe80::1%25eth0]"])
def test_an_address_in_numbers_is_not_looked_up(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.delattr("socket.getaddrinfo")
    HostLookup(Address("rtsp", f"rtsp://{host}:554/x", "")).wait(30)


def test_a_camera_that_sends_nothing_over_tcp_is_given_up_with_the_other_way() -> None:
    camera = Address("rtsp", "rtsp://camera/", "rtsp://camera/")
    with pytest.raises(av.FFmpegError) as raised:
        av.error.err_check(-errno.EPROTONOSUPPORT)
    failure = av_failure.live_failure(camera, raised.value, opened_before=False)
    assert type(failure) is CdulEdgeError
    assert str(failure) == (
        "rtsp://camera/: it sends nothing over this transport: choose the other one, tcp or udp"
    )

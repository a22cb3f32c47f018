"""The loopback camera that other tests watch: what it shows, and to whom."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.rtsp_camera import Pixels, drawn_frames, read_stamp, rtsp_camera
from tests.fakes.video_files import gray, write_video

av = pytest.importorskip("av", reason="needs cdul-edge[video]")


def look(url: str, count: int, transport: str = "tcp") -> list[Pixels]:
    options = {"rtsp_transport": transport, "fflags": "nobuffer"}
    with av.open(url, options=options, timeout=(60, 60)) as container:
        frames = itertools.islice(container.decode(video=0), count)
        return [frame.to_ndarray(format="rgb24") for frame in frames]


def open_udp_addresses(pid: int) -> set[str]:
    """Local addresses, as the kernel writes them, of a process's UDP sockets."""
    sockets = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    return {row[1].split(":")[0] for row in rows if f"socket:[{row[9]}]" in sockets}


def test_a_camera_shows_its_frames_in_order_with_the_time_of_each() -> None:
    red = np.full((1, 240, 320, 3), (200, 40, 40), np.uint8)
    with rtsp_camera({"drawn": drawn_frames(322, 242), "red": red}) as camera:
        begun_s = time.time()
        seen = look(camera.url("drawn"), 5)
        stamps = [read_stamp(picture) for picture in seen]
        assert all(a.number < b.number for a, b in itertools.pairwise(stamps))
        assert begun_s <= stamps[0].time_s < stamps[4].time_s <= time.time()
        assert seen[0].shape == (242, 322, 3)
        (shown,) = look(camera.url("red"), 1, transport="udp")
        assert np.abs(shown[100:].mean(axis=(0, 1)) - (200, 40, 40)).max() < 5
        with pytest.raises(av.error.HTTPNotFoundError):
            look(camera.url("garden"), 1)


def test_a_camera_plays_a_video_again_and_again_for_one_viewer_after_another(
    tmp_path: Path,
) -> None:
    levels = [level for level in (40, 200) for _ in range(5)]
    video = write_video(tmp_path / "ten.mp4", [gray(level) for level in levels])
    with rtsp_camera({"video": video}, fps=25, clock=False) as camera:
        for _ in range(2):
            dark = [picture.mean() < 120 for picture in look(camera.url("video"), 16)]
            assert sum(a != b for a, b in itertools.pairwise(dark)) >= 2


def test_a_camera_listens_on_this_machine_only() -> None:
    with rtsp_camera() as camera:
        options = {"rtsp_transport": "udp"}
        with av.open(camera.url(), options=options, timeout=(60, 60)) as container:
            next(container.decode(video=0))
            assert open_udp_addresses(camera.pid) == {"0100007F"}

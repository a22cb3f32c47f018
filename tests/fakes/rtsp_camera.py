"""A camera on this machine: RTSP and H.264 from 127.0.0.1, in a process of its own.

    with rtsp_camera() as camera:
        container = av.open(camera.url())
        ...
        camera.freeze()

It needs GStreamer's RTSP server as Debian and Ubuntu package it, and skips the test elsewhere.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.fakes.free_port import free_port
from tests.fakes.rtsp_camera_spec import (
    CLOCK_BITS,
    NUMBER_BITS,
    CameraSpec,
    SceneSpec,
    block_px,
    to_json,
)

Pixels = npt.NDArray[np.uint8]

PACKAGES = (
    "python3-gi gir1.2-gst-plugins-base-1.0 gir1.2-gst-rtsp-server-1.0 gstreamer1.0-libav "
    + " ".join(f"gstreamer1.0-plugins-{name}" for name in ("base", "good", "bad", "ugly"))
)
_PROBE = """
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
for name in "appsrc x264enc rtph264pay decodebin videoconvert".split():
    assert Gst.ElementFactory.find(name), "no " + name
"""
_MAIN = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from tests.fakes.rtsp_camera_process import main
main()
"""
_ROOT = Path(__file__).parents[2]


def _isolated(python: str, program: str, *arguments: str) -> list[str]:
    """A Python that sees nothing of this one's environment."""
    return [python, "-I", "-B", "-W", "ignore", "-c", program, *arguments]


@functools.cache
def _python_with_gi() -> str | None:
    for python in ("/usr/bin/python3", sys.executable):
        if shutil.which(python) is None:
            continue
        if subprocess.run(_isolated(python, _PROBE), capture_output=True).returncode == 0:
            return python
    return None


def why_no_camera() -> str | None:
    """What is missing on this machine; None where a camera can run."""
    if _python_with_gi() is None:
        return f"needs GStreamer's RTSP server: apt-get install {PACKAGES}"
    return None


def drawn_frames(width: int, height: int, count: int = 50) -> Pixels:
    """(N, H, W, 3) uint8: a light square that moves over a gradient."""
    y, x = np.mgrid[:height, :width]
    ground = np.stack([x * 200 // width, y * 200 // height, np.full_like(x, 60)], axis=2)
    frames = np.repeat(ground[None].astype(np.uint8), count, axis=0)
    side = height // 4
    for number, frame in enumerate(frames):
        left = (width - side) * number // max(count - 1, 1)
        frame[height // 2 : height // 2 + side, left : left + side] = (250, 240, 200)
    return frames


@dataclass(frozen=True)
class Stamp:
    """What the clock in a frame says: when it was drawn, and its number, counted from 0."""

    time_s: float
    number: int


def read_stamp(picture: Pixels) -> Stamp:
    """The clock in the first rows of an (H, W, 3) picture; garbage where there is none."""
    block = block_px(picture.shape[1])
    middle = picture[block // 2, block // 2 :: block, 1][: CLOCK_BITS + NUMBER_BITS] > 127
    value = sum(1 << bit for bit, is_set in enumerate(middle) if is_set)
    return Stamp((value & ((1 << CLOCK_BITS) - 1)) / 1000, value >> CLOCK_BITS)


class Camera:
    """A running camera; made by `rtsp_camera`.

    Attributes:
        port: TCP port on 127.0.0.1; the same after `restart`.
    """

    def __init__(self, spec: CameraSpec) -> None:
        self._spec = spec
        self.port = spec.port
        self._process: subprocess.Popen[str] | None = None

    def url(self, path: str = "cam0", *, login: tuple[str, str] | None = None) -> str:
        """Address of a path; "sound" has no video, and any other that it lacks gives 404."""
        credentials = f"{login[0]}:{login[1]}@" if login is not None else ""
        return f"rtsp://{credentials}127.0.0.1:{self.port}/{path}"

    @property
    def pid(self) -> int:
        """Of the process, to measure it."""
        return self._running().pid

    def start(self) -> None:
        """Begin to listen, on the same port as before."""
        python = _python_with_gi()
        assert python is not None
        spec = to_json(replace(self._spec, port=self.port))
        self._process = subprocess.Popen(
            _isolated(python, _MAIN, str(_ROOT), spec),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._answer())

    def kill(self) -> None:
        """End at once, as one whose plug is pulled; the kernel closes its sockets."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def restart(self) -> None:
        """Kill and start again."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Send nothing and answer nothing; connections stay open."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        os.kill(self.pid, signal.SIGCONT)

    def pause_pictures(self) -> None:
        """Send no pictures, and answer as if nothing were wrong."""
        self._tell("pictures off")

    def resume_pictures(self) -> None:
        """Go on after `pause_pictures`."""
        self._tell("pictures on")

    def resize(self, width: int, height: int) -> None:
        """Send pictures of another size from now on, within the same stream."""
        self._tell(f"resize {width} {height}")

    def change_format(self, name: str) -> None:
        """Send another pixel format from now on, such as "Y444"; at first it is "I420"."""
        self._tell(f"format {name}")

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the camera was killed"
        return self._process

    def _tell(self, line: str) -> None:
        stdin = self._running().stdin
        assert stdin is not None
        stdin.write(line + "\n")
        stdin.flush()
        assert self._answer() == "done\n"

    def _answer(self) -> str:
        stdout = self._running().stdout
        assert stdout is not None
        line = stdout.readline()
        assert line, "the camera's process ended"
        return line


@contextlib.contextmanager
def rtsp_camera(
    paths: Sequence[str] | Mapping[str, Pixels | Path] = ("cam0",),
    *,
    size: tuple[int, int] = (320, 240),
    fps: int = 25,
    clock: bool = True,
    login: tuple[str, str] | None = None,
    keyframe_s: float = 0.4,
    kbit_s: int = 1500,
) -> Iterator[Camera]:
    """A running camera; its process has ended when the block ends, whatever happened.

    Args:
        paths: names, each with what it shows: (N, H, W, 3) uint8 frames, or a video file, which is
            scaled to `size`; both are played again and again.
        size: width and height, of paths without frames of their own and of video files.
        clock: draw time and frame number into the first rows (`read_stamp`); 256 px wide at least.
        login: user and password that it wants.
        keyframe_s: seconds between two frames that a viewer can begin with.

    Skips the test where GStreamer's RTSP server is missing.
    """
    if (reason := why_no_camera()) is not None:
        pytest.skip(reason)
    if not isinstance(paths, Mapping):
        paths = dict.fromkeys(paths, drawn_frames(*size))
    with tempfile.TemporaryDirectory(prefix="camera-") as folder:
        scenes = {
            path: _scene(shown, size, Path(folder) / f"{number}.rgb")
            for number, (path, shown) in enumerate(paths.items())
        }
        udp_port = _free_udp_port()
        camera = Camera(
            CameraSpec(scenes, free_port(), udp_port, fps, clock, login, keyframe_s, kbit_s)
        )
        try:
            camera.start()
            yield camera
        finally:
            camera.kill()


def _scene(shown: Pixels | Path, size: tuple[int, int], file: Path) -> SceneSpec:
    if isinstance(shown, Path):
        return SceneSpec(str(shown.absolute()), True, *size)
    shown.tofile(file)
    return SceneSpec(str(file), False, shown.shape[2], shown.shape[1])


def _free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return min(int(probe.getsockname()[1]) // 2 * 2, 65300)

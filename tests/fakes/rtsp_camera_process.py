"""The process of a loopback camera: GStreamer's RTSP server on 127.0.0.1, see rtsp_camera.py.

It runs with the Python that the system's gi belongs to, so it needs the standard library and gi
only. Its argument is a `CameraSpec`; it writes the port to stdout, obeys its stdin a line at a
time, and ends with it.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

from tests.fakes.rtsp_camera_spec import (  # noqa: E402
    CLOCK_BITS,
    NUMBER_BITS,
    CameraSpec,
    SceneSpec,
    block_px,
    from_json,
)

Element = Any  # what gi makes has no types
RGB = "video/x-raw,format=RGB,width={},height={},framerate={}/1"


def stamp(picture: bytearray, width: int, number: int) -> None:
    """Draw milliseconds since 1970 and a frame's number as a row of black and white blocks."""
    block = block_px(width)
    value = int(time.time() * 1000) | (number % (1 << NUMBER_BITS)) << CLOCK_BITS
    white, black = b"\xff" * (3 * block), b"\x00" * (3 * block)
    bits = range(CLOCK_BITS + NUMBER_BITS)
    row = b"".join(white if value >> bit & 1 else black for bit in bits)
    for y in range(block):
        start = y * width * 3
        picture[start : start + len(row)] = row


def rows_of(data: bytes, width: int, *, given: int, wanted: int) -> bytearray:
    """RGB whose rows take a multiple of `given` bytes, as one whose rows take one of `wanted`."""
    row = width * 3
    step, pad = row + -row % given, b"\x00" * (-row % wanted)
    if step == row and not pad:
        return bytearray(data)
    return bytearray(b"".join(data[at : at + row] + pad for at in range(0, len(data), step)))


class Scene:
    """What one path shows, again and again."""

    def __init__(self, spec: SceneSpec, fps: int) -> None:
        self.width, self.height = spec.width, spec.height
        self._spec, self._fps = spec, fps
        self._number = 0
        self._turn = threading.Lock()
        self._pictures = self._play()

    def resize(self, width: int, height: int) -> None:
        """From the next picture on; raw frames are cut, or repeated beside themselves."""
        with self._turn:
            self.width, self.height = width, height
            self._pictures = self._play()

    def next(self, clock: bool) -> bytes:
        """The next picture, its rows padded to 4 bytes as GStreamer wants them."""
        with self._turn:  # the last viewer's feeder may still be here when the next one's begins
            picture = next(self._pictures)
            number = self._number
            self._number += 1
        if clock:
            stamp(picture, self.width, number)
        return bytes(rows_of(bytes(picture), self.width, given=1, wanted=4))

    def _play(self) -> Iterator[bytearray]:
        return self._play_video() if self._spec.is_video else self._play_raw()

    def _play_raw(self) -> Iterator[bytearray]:
        width, height = self._spec.width, self._spec.height
        row, wide = width * 3, self.width * 3
        with open(self._spec.file, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        while True:
            for start in range(0, len(data), height * row):
                picture = data[start : start + height * row]
                if (self.width, self.height) != (width, height):
                    starts = [y % height * row for y in range(self.height)]
                    times = -(-wide // row)
                    picture = b"".join((picture[at : at + row] * times)[:wide] for at in starts)
                yield bytearray(picture)

    def _play_video(self) -> Iterator[bytearray]:
        while True:  # a pipeline that has ended would show nothing when started again
            count = 0
            for picture in self._play_video_once():
                count += 1
                yield picture
            if count == 0:
                raise ValueError(f"{self._spec.file} has no pictures")

    def _play_video_once(self) -> Iterator[bytearray]:
        width = self.width
        pipeline = Gst.parse_launch(
            "filesrc name=file ! decodebin ! videoconvert ! videoscale ! videorate ! "
            + RGB.format(width, self.height, self._fps)
            + " ! appsink name=sink sync=false max-buffers=2"
        )
        pipeline.get_by_name("file").set_property("location", self._spec.file)
        sink = pipeline.get_by_name("sink")
        pipeline.set_state(Gst.State.PLAYING)
        try:
            while (sample := sink.emit("pull-sample")) is not None:
                buffer = sample.get_buffer()
                data = buffer.extract_dup(0, buffer.get_size())
                yield rows_of(data, width, given=4, wanted=1)
        finally:
            pipeline.set_state(Gst.State.NULL)


class Camera:
    """The server; a path has one encoder, which all its viewers share."""

    def __init__(self, spec: CameraSpec) -> None:
        self._spec = spec
        self._showing = threading.Event()  # cleared: answers, but sends no pictures
        self._showing.set()
        self._formats: dict[str, Element] = {}
        self._scenes = {path: Scene(scene, spec.fps) for path, scene in spec.scenes.items()}
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address("127.0.0.1")
        self.server.set_service(str(spec.port))
        if spec.login is not None:
            auth = GstRtspServer.RTSPAuth()
            token = GstRtspServer.RTSPToken()
            token.set_string("media.factory.role", "viewer")
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*spec.login), token)
            self.server.set_auth(auth)
        sound = "( audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8 )"
        self._mount("sound", sound)
        for path in self._scenes:
            self._mount(path, self._encoder()).connect("media-configure", self._configure, path)

    def _encoder(self) -> str:
        spec = self._spec
        keys = max(1, round(spec.keyframe_s * spec.fps))
        return (
            "( appsrc name=pictures is-live=true format=time do-timestamp=true "
            "! queue max-size-buffers=2 leaky=downstream ! videoconvert "
            "! capsfilter name=format caps=video/x-raw,format=I420 "
            "! x264enc tune=zerolatency speed-preset=ultrafast threads=1 "
            f"bitrate={spec.kbit_s} key-int-max={keys} "
            "! rtph264pay name=pay0 pt=96 config-interval=1 )"
        )

    def _mount(self, path: str, launch: str) -> Element:
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_shared(True)
        factory.set_launch(launch)
        pool = GstRtspServer.RTSPAddressPool()  # or UDP would listen on every address
        port = self._spec.udp_port
        pool.add_range("127.0.0.1", "127.0.0.1", port, port + 199, 0)
        factory.set_address_pool(pool)
        if self._spec.login is not None:
            permissions = GstRtspServer.RTSPPermissions()
            for permission in ("media.factory.access", "media.factory.construct"):
                permissions.add_permission_for_role("viewer", permission, True)
            factory.set_permissions(permissions)
        self.server.get_mount_points().add_factory(f"/{path}", factory)
        return factory

    def _configure(self, _factory: Element, media: Element, path: str) -> None:
        pictures = media.get_element().get_by_name_recurse_up("pictures")
        self._formats[path] = media.get_element().get_by_name_recurse_up("format")
        gone = threading.Event()
        media.connect("unprepared", lambda *_: gone.set())
        scene = self._scenes[path]
        threading.Thread(target=self._feed, args=(pictures, gone, scene), daemon=True).start()

    def _feed(self, pictures: Element, gone: threading.Event, scene: Scene) -> None:
        size, step = (0, 0), 1 / self._spec.fps
        due = time.monotonic()
        while not gone.is_set():
            # Before it plays, its clock stands at another time, and a frame would wait for hours.
            plays = pictures.get_state(0)[1] == Gst.State.PLAYING
            if plays and self._showing.is_set():
                if size != (scene.width, scene.height):
                    size = (scene.width, scene.height)
                    caps = Gst.Caps.from_string(RGB.format(*size, self._spec.fps))
                    pictures.set_property("caps", caps)
                buffer = Gst.Buffer.new_wrapped(scene.next(self._spec.clock))
                if pictures.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return
            due = max(due, time.monotonic() - step) + step
            time.sleep(max(0.0, due - time.monotonic()))

    def obey(self, verb: str, *words: str) -> None:
        """A line of stdin: "pictures on|off", "resize WIDTH HEIGHT", "format NAME"."""
        if verb == "pictures":
            self._showing.set() if words == ("on",) else self._showing.clear()
        elif verb == "resize":
            for scene in self._scenes.values():
                scene.resize(int(words[0]), int(words[1]))
        elif verb == "format":
            for element in self._formats.values():
                caps = Gst.Caps.from_string(f"video/x-raw,format={words[0]}")
                element.set_property("caps", caps)
        else:
            raise ValueError(f"unknown command {verb!r}")


def main() -> None:
    Gst.init(None)
    camera = Camera(from_json(sys.argv[1]))
    if camera.server.attach(None) == 0:
        raise SystemExit("the port is taken")
    threading.Thread(target=GLib.MainLoop().run, daemon=True).start()
    print(camera.server.get_bound_port(), flush=True)
    for line in sys.stdin:
        camera.obey(*line.split())
        print("done", flush=True)
    os._exit(0)  # GStreamer's threads would be waited for

"""A web camera on this machine: Motion JPEG over HTTP, and what else a web server may answer."""

from __future__ import annotations

import base64
import contextlib
import io
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

LOGIN = "anna:p@ss/w:rd%"


def jpeg(level: int, size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (level, level, level)).save(buffer, "JPEG")
    return buffer.getvalue()


class HttpCamera:
    """A running server; made by `http_camera`.

    Attributes:
        port: on the loopback address.
        files: bytes of what it gives at other paths.
        starts: it answers 404 to all, as its stream is not there yet.
    """

    def __init__(self, host: str) -> None:
        self.files: dict[str, bytes] = {}
        self.starts = False
        self.over = threading.Event()
        self._host = f"[{host}]" if ":" in host else host
        handler = type("Handler", (_Handler,), {"camera": self})
        server_class = type(
            "Server",
            (ThreadingHTTPServer,),
            {"address_family": socket.AF_INET6 if ":" in host else socket.AF_INET},
        )
        self.server = server_class((host, 0), handler)
        self.port = int(self.server.server_port)

    def url(self, path: str, login: str = "") -> str:
        """Address of a path.

        /mjpeg goes on, /ends after 20 pictures, /freezes after 20, /resizes goes on with
        larger ones, /silent never answers, /picture is one JPEG, /page a web page, /private wants
        `LOGIN`, /broken is 500, and all others but `files` are 404.
        """
        return f"http://{login + '@' if login else ''}{self._host}:{self.port}{path}"


class _Handler(BaseHTTPRequestHandler):
    camera: HttpCamera

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        with contextlib.suppress(ConnectionError):
            self._answer("" if self.camera.starts else self.path.partition("?")[0])

    def _answer(self, path: str) -> None:
        if path == "/silent":
            self.camera.over.wait()
        elif path == "/picture":
            self._send("image/jpeg", jpeg(200))
        elif path == "/list":
            self._send("text/plain", b"ffconcat version 1.0\nfile a.mp4\n")
        elif path == "/leads-here":
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            self.end_headers()
        elif path == "/page":
            self._send("text/html", b"<!DOCTYPE html><html><body>Please log in</body></html>")
        elif path == "/broken":
            self.send_error(500)
        elif path in self.camera.files:
            self._send("application/octet-stream", self.camera.files[path])
        elif path == "/private" and not self._knows_the_login():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path in ("/mjpeg", "/private", "/ends", "/freezes", "/resizes"):
            self._stream(path)
        else:
            self.send_error(404)

    def _knows_the_login(self) -> bool:
        given = self.headers.get("Authorization", "")
        return given == f"Basic {base64.b64encode(LOGIN.encode()).decode()}"

    def _send(self, kind: str, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, path: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        number = 0
        while not self.camera.over.wait(0.02):
            picture = jpeg(200, (96, 64) if path == "/resizes" and number >= 20 else (64, 48))
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            self.wfile.write(head.encode() + picture + b"\r\n")
            number += 1
            if path == "/ends" and number == 20:
                return
            if path == "/freezes" and number == 20:
                self.camera.over.wait()


@contextlib.contextmanager
def http_camera(host: str = "127.0.0.1") -> Iterator[HttpCamera]:
    """A running server; its threads have ended when the block ends."""
    camera = HttpCamera(host)
    thread = threading.Thread(target=camera.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield camera
    finally:
        camera.over.set()
        camera.server.shutdown()
        camera.server.server_close()
        thread.join()

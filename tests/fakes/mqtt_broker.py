"""A real broker, mosquitto, on a free port of this machine; tests skip where it is absent."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

import pytest

from tests.fakes.free_port import free_port
from tests.fakes.stream_source import PATIENCE_S

_PATHS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")


def find_mosquitto() -> str:
    """The program; skips the test where there is none."""
    found = shutil.which("mosquitto") or next(
        (str(path) for place in _PATHS if (path := Path(place, "mosquitto")).is_file()), None
    )
    if found is None:
        pytest.skip("needs a broker: apt-get install mosquitto")
    return found


class Broker:
    """A mosquitto that can be stopped and started again on the same port."""

    def __init__(self, folder: Path, lines: Sequence[str] = ()) -> None:
        """Choose a port; `lines` are more of its configuration, `allow_anonymous` for one."""
        self._program = find_mosquitto()
        self.port = free_port()
        self._settings = folder / "mosquitto.conf"
        wanted = lines or ("allow_anonymous true",)
        user = ["user root"] * (os.geteuid() == 0)  # else it could not read the test's files
        text = "\n".join([*user, f"listener {self.port} 127.0.0.1", *wanted])
        self._settings.write_text(text + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, login: str = "", prefix: str = "") -> str:
        """Address of the broker, as `--mqtt` takes it."""
        return f"mqtt://{login}127.0.0.1:{self.port}{prefix}"

    def start(self) -> None:
        """Start, and wait until it listens."""
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._settings)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert self._process.poll() is None, "mosquitto ended: see its configuration"
            time.sleep(0.01)
        raise AssertionError("mosquitto does not listen")

    def stop(self) -> None:
        """End; what it retained is forgotten."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None


class Subscriber:
    """Someone who listens to every topic; a `with` block connects and disconnects."""

    def __init__(self, broker: Broker, login: tuple[str, str] | None = None) -> None:
        mqtt = pytest.importorskip("paho.mqtt.client")
        self._client: Any = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        if login is not None:
            self._client.username_pw_set(*login)
        self._messages: SimpleQueue[tuple[str, str]] = SimpleQueue()
        self._client.on_message = self._take
        self._port = broker.port
        self.seen: dict[str, str] = {}
        self.retained: set[str] = set()

    def wait_for(self, topic: str, payload: str, seconds: float = PATIENCE_S) -> None:
        """Wait until `topic` has said `payload` last."""
        end_s = time.monotonic() + seconds
        while self.seen.get(topic) != payload:
            with contextlib.suppress(Empty):
                name, said = self._messages.get(timeout=max(0.01, end_s - time.monotonic()))
                self.seen[name] = said
                continue
            raise AssertionError(f"{topic} never said {payload}: {self.seen}")

    def _take(self, client: object, data: object, message: Any) -> None:
        if message.retain:
            self.retained.add(message.topic)
        self._messages.put((message.topic, message.payload.decode()))

    def __enter__(self) -> Subscriber:
        self._client.connect("127.0.0.1", self._port)
        self._client.subscribe("#", 1)
        self._client.loop_start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextlib.contextmanager
def mqtt_broker(folder: Path, lines: Sequence[str] = ()) -> Iterator[Broker]:
    """A running broker; it has ended when the block ends."""
    broker = Broker(folder, lines)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()

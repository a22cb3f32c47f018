"""An imitation of S3 on this machine, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.free_port import free_port

_STARTS_WITHIN_S = 60


@dataclass(frozen=True)
class S3Server:
    """Moto's server.

    Attributes:
        endpoint: its address, http://127.0.0.1:PORT.
    """

    endpoint: str

    def environment(self, nowhere: Path) -> Mapping[str, str]:
        """What leads a process to this server, and keeps it from any real account.

        Args:
            nowhere: a folder without files of AWS's.
        """
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "AKIAIMITATION",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-imitation",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(nowhere / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(nowhere / "no-credentials"),
        }

    def make_bucket(self, name: str) -> None:
        """Make an empty bucket."""
        self.ask("PUT", f"/{name}")

    def ask(self, method: str, path: str, content: bytes | None = None) -> bytes:
        """One request, unsigned."""
        headers = {"Content-Type": "text/plain"}
        request = urllib.request.Request(f"{self.endpoint}{path}", content, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())


@contextmanager
def started_server() -> Iterator[S3Server]:
    """A server that runs while the block does."""
    port = free_port()
    server = S3Server(f"http://127.0.0.1:{port}")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as process:
        try:
            _wait(server, process)
            yield server
        finally:
            process.kill()


def _wait(server: S3Server, process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            server.ask("GET", "/moto-api/")
            return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > ends:
                raise AssertionError("moto's server did not start") from error
            time.sleep(0.05)

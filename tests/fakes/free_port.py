"""A port for a server that starts later, or again."""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A TCP port of 127.0.0.1 at which nobody listens, and which no client is given.

    The kernel gives clients ports from its own range: one from there may be taken before the server
    starts, even by the client that waits for it.
    """
    first_of_clients = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    choose = random.SystemRandom()  # the tests' own seed is the same in every process
    for port in choose.sample(range(10_000, max(first_of_clients, 20_000)), 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("every port is taken")

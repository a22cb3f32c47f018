"""Looking up the name of a host without waiting for a resolver that does not answer."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

from cdul_edge_runtime.streams.address import Address
from cdul_edge_runtime.streams.source import StreamLost


class HostLookup:
    """One lookup in a thread of its own, which is left behind where the resolver hangs."""

    def __init__(self, address: Address) -> None:
        self._address = address
        # no lock: the garbage collector may stop a watch in the middle of a wait
        self._answers: SimpleQueue[OSError | UnicodeError | None] = SimpleQueue()

    def wait(self, timeout_s: float) -> None:
        """Return when the name is known, or after `interrupt`.

        Raises:
            StreamLost: the name is not known, or the resolver does not answer.
        """
        host = urlsplit(self._address.location).hostname
        if host is None or _is_number(host) or _asks_a_proxy(self._address):
            return
        threading.Thread(target=self._look, args=(host,), name="host lookup", daemon=True).start()
        try:
            error = self._answers.get(timeout=timeout_s)
        except Empty:
            raise StreamLost(
                f"{self._address.shown}: the lookup of its host had no answer for {timeout_s:g} s"
            ) from None
        if error is not None:
            raise StreamLost(
                f"{self._address.shown}: its host is not known here; check its name and the "
                'network, and write "/", "@" and ":" in a password as %2F, %40 and %3A'
            )

    def interrupt(self) -> None:
        """Make `wait` return now."""
        self._answers.put(None)

    def _look(self, host: str) -> None:
        try:
            socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            self._answers.put(error)
        else:
            self._answers.put(None)


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _asks_a_proxy(address: Address) -> bool:
    return address.kind == "http" and bool(os.environ.get("http_proxy"))

"""`mqtt[s]://user:password@host:port/prefix`, and names that brokers and Home Assistant take."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from cdul_edge_runtime.errors import CdulEdgeError

_FORM = "mqtt[s]://[USER:PASSWORD@]HOST[:PORT][/PREFIX][?ca=FILE&discovery=PREFIX]"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_LONGEST = 1000  # letters of a prefix or name, of which one may become twelve bytes
_SETTINGS = ("ca", "discovery")
_ESCAPE = "write @ / # ? : of a password, and @ elsewhere, as %40 %2F %23 %3F %3A"


@dataclass(frozen=True)
class MqttAddress:
    """Where a broker is, and what to call things there.

    Attributes:
        tls: whether the connection is encrypted and the broker's certificate checked.
        prefix: first levels of every topic.
        discovery: first level of Home Assistant's discovery topics; empty announces nothing.
        ca: file of the certificates to trust; None trusts the system's.
    """

    host: str
    port: int
    tls: bool = False
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    prefix: str = "cdul-edge"
    discovery: str = "homeassistant"
    ca: Path | None = None

    def __str__(self) -> str:
        """The address without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt{'s' * self.tls}://{host}:{self.port}/{self.prefix}"


def parse_mqtt(text: str) -> MqttAddress:
    """Read the URL of a broker; `%40` in a user or password stands for `@`.

    Raises:
        CdulEdgeError: it is none; the text holds no credentials.
    """
    # A password that nobody escaped may hold `@ / # ?`, and urllib repeats what it refuses. So
    # no error repeats what may be a part of it, or has an error of urllib's as its cause.
    try:
        parts = urlsplit(text)
        port = parts.port
        settings = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    except ValueError:
        if text.partition("?")[2] == "":
            raise _refuse("its port is not a number from 1 to 65535") from None
        raise _refuse("its query is not NAME=VALUE") from None
    if parts.scheme not in _PORTS:
        raise _refuse("it does not begin with mqtt:// or mqtts://")
    if not parts.hostname or port == 0 or parts.fragment:
        raise _refuse(f"host or port is missing; {_ESCAPE}")
    if "@" in parts.path + parts.query:
        raise _refuse(f"it has an @ after its first /; {_ESCAPE}")
    try:
        parts.hostname.encode("idna")
    except UnicodeError:
        raise _refuse("no host has such a name") from None
    if not set(settings) <= set(_SETTINGS):
        raise _refuse("it has settings other than ca and discovery")
    ca = Path(settings["ca"]) if "ca" in settings else None
    if ca is not None and (parts.scheme != "mqtts" or not ca.is_file()):
        raise _refuse(f"ca={ca} is not a file, or the address is not mqtts://")
    return MqttAddress(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        tls=parts.scheme == "mqtts",
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        prefix=_read_prefix(unquote(parts.path).strip("/") or MqttAddress.prefix),
        discovery=_read_prefix(settings.get("discovery", MqttAddress.discovery).strip("/")),
        ca=ca,
    )


def topic_level(name: str) -> str:
    """A name as one level of a topic; what MQTT forbids there becomes `%` and two digits.

    The rest of a very long name becomes a number: a topic has 65,535 bytes at most.
    """
    if len(name) > _LONGEST:
        name = f"{name[:_LONGEST]} {_digest(name)}"
    return "".join(_escape(letter) for letter in name)


def unique_id(*names: str) -> str:
    """Letters, digits, `_` and `-`: readable, and another one for every other list of names."""
    readable = re.sub(r"[^a-zA-Z0-9]+", "_", "_".join(names)).strip("_")[:64]
    return f"{readable}_{_digest(*names)}"


def _digest(*names: str) -> str:
    exact = "\0".join(names).encode("utf-8", "surrogatepass")
    return hashlib.sha256(exact).hexdigest()[:10]


def _escape(letter: str) -> str:
    if letter.isprintable() and letter not in "%/+#":
        return letter
    return quote(letter, safe="", errors="surrogatepass")


def _read_prefix(text: str) -> str:
    if len(text) > _LONGEST:
        raise _refuse(f"the prefix has more than {_LONGEST} letters")
    if not text.isprintable() or any(letter in text for letter in "+#") or text.startswith("$"):
        raise _refuse(f"the prefix {text!r} holds + or #, which MQTT forbids, or begins with $")
    return text


def _refuse(reason: str) -> CdulEdgeError:
    return CdulEdgeError(f"the address of the broker is not {_FORM}: {reason}")

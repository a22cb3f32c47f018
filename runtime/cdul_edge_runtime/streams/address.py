"""What a source is called, and the same without credentials.

Passwords and tokens stand in addresses, and addresses stand in rows, logs and errors. So an address
is read once, into an `Address` whose every text but `location` is safe to show.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from cdul_edge_runtime.errors import CdulEdgeError

AddressKind = Literal["file", "rtsp", "http", "device", "gst", "raw", "bag"]

HIDDEN = "***"
EXPECTED = (
    "expected a video file, rtsp://, http://, /dev/video0, gst:PIPELINE, raw:640x480:rgb, "
    "bag:FOLDER#TOPIC, or env:VARIABLE that holds one of these"
)
_PREFIXES: dict[str, AddressKind] = {"gst:": "gst", "raw:": "raw", "bag:": "bag"}
_ENVIRONMENT = "env:"
_SCHEMES: dict[str, AddressKind] = {
    "rtsp": "rtsp",
    "rtsps": "rtsp",
    "http": "http",
    "https": "http",
}
_DEVICE = re.compile(r"/dev/(video\d+|v4l/.+)")
_NAME = re.compile(r"([^=:/?#@!\s\\][^=:/?#@!\\]*)=(.+)", re.DOTALL)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)

# A URL in a text, up to white space or a quotation mark; a mistyped one may lack a slash.
_NO_FILE = r"(?<![a-z0-9+.-])(?!(?:bag|file|raw):)"
_URL = re.compile(_NO_FILE + r"[a-z][a-z0-9+.-]*:/+[^\s\"'<>]*", re.IGNORECASE)
# user:password@host where somebody forgot the protocol; a path is none.
_BARE = re.compile(
    r"(?<![^\s\"'=])" + _NO_FILE + r"(?![a-z][\w+.-]*:/)[^\s\"'=/.~][^\s\"'=/]*:[^\s\"']*@",
    re.IGNORECASE,
)
# The same in any part of what is no file, such as rtsp//user:password@host.
_IN_A_PATH = re.compile(r"(?<![^\s\"'=/])[^\s\"'=/]+:[^\s\"']*@")
_SECRET = re.compile(
    r"([\w-]*(?:pass(?:w(?:or)?d|phrase)?|pwd|user-?pw|proxy-?pw|secret|token|api-?key|auth"
    r"|user-?id|username|credential|cookie|signature)[\w-]*)"
    r"(=|%3d)(\"[^\"]*\"|'[^']*'|[^\s&;!#?/\"']+)",
    re.IGNORECASE,
)
# What cameras are asked for in queries that tells nobody a secret. All else may be one.
_HARMLESS = re.compile(
    r"(action|audio|cam|camera|ch|channel|codec|compression|fps|framerate|height|proto|profile"
    r"|quality|resolution|rotation|stream|streamtype|subtype|unicast|video|videocodec|width)"
    r"=[\w.-]{0,16}",
    re.IGNORECASE,
)


@dataclass(frozen=True, repr=False)
class Address:
    """Where frames come from.

    Attributes:
        kind: which source reads it.
        location: what that source is given: an absolute path, a URL with its credentials, or the
            text after "gst:", "raw:" or "bag:". Never show it.
        shown: the address without credentials, for people.
    """

    kind: AddressKind
    location: str
    shown: str

    def __repr__(self) -> str:
        return f"Address({self.kind!r}, {self.shown!r})"

    __str__ = __repr__


def split_name(text: str) -> tuple[str | None, str]:
    """Split `NAME=SOURCE` into the two; the name is None where the text has none.

    A URL with "=" in its query and an existing file with "=" in its name have none.
    """
    match = _NAME.fullmatch(text)
    if match is None or Path(text).exists():
        return None, text
    return match[1].strip(), match[2]


def parse_address(text: str) -> Address:
    """Tell what kind of source a text names. Nothing is opened.

    `env:CAMERA` takes the address from the environment variable CAMERA: every user of a machine
    can see its command lines.

    Raises:
        CdulEdgeError: the text is empty, names a protocol that no source reads, is no URL, or names
            a variable that is not set.
    """
    text = _from_environment(text.strip())
    if not text or "\0" in text:
        raise CdulEdgeError(f"the address of a source is empty: {EXPECTED}")
    for prefix, kind in _PREFIXES.items():
        if text.startswith(prefix):
            return Address(kind, text[len(prefix) :].strip(), redact(text))
    if _DEVICE.fullmatch(text):
        return Address("device", text, text)
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else None
    if scheme in _SCHEMES:
        address = Address(_SCHEMES[scheme], _standard_url(text), _redact_url(text))
        _check_host(address)
        return address
    if scheme == "file":
        text = unquote(re.sub(r"^file://(localhost(?=/))?", "", text, flags=re.IGNORECASE))
    elif scheme is not None:
        raise CdulEdgeError(f"{_redact_url(text)}: {scheme}:// cannot be read: {EXPECTED}")
    elif text.startswith("file:"):
        text = text.removeprefix("file:")
    if not text:
        raise CdulEdgeError(f"the address of a file is empty: {EXPECTED}")
    # not Path's own, which fails where "~" names nobody
    path = Path(os.path.expanduser(text)).absolute()  # noqa: PTH111
    return Address("file", str(path), text if path.exists() else _redact_mistyped(text))


def _check_host(address: Address) -> None:
    try:
        parts = urlsplit(address.location)
        is_named, _ = bool(parts.hostname), parts.port
    except ValueError:  # its text may hold the password
        is_named = False
    if not is_named:
        scheme = address.location.partition(":")[0]
        raise CdulEdgeError(
            f"{address.shown}: it names no host and port that can be: expected "
            f"{scheme}://USER:PASSWORD@HOST:PORT/…, with [ ] around an address of IPv6"
        )


def _from_environment(text: str) -> str:
    if not text.startswith(_ENVIRONMENT):
        return text
    variable = text.removeprefix(_ENVIRONMENT).strip()
    given = os.environ.get(variable, "").strip()
    if not given:
        raise CdulEdgeError(
            f"{text}: the environment variable {variable or '(no name)'} is not set: {EXPECTED}"
        )
    return given


def redact(text: str) -> str:
    """A text without the credentials that URLs and pipelines in it hold.

    User names, passwords and unknown query values become "***". What might be a password is
    hidden, even where it is none.
    """
    text = _URL.sub(lambda match: _redact_url(match[0]), text)
    text = _BARE.sub(f"{HIDDEN}@", text)
    return _SECRET.sub(rf"\1\2{HIDDEN}", text)


def _redact_mistyped(text: str) -> str:
    return redact(_IN_A_PATH.sub(f"{HIDDEN}@", text))


def _redact_url(url: str) -> str:
    match = re.match(r"[a-z][a-z0-9+.-]*:/+", url, re.IGNORECASE)
    start = match[0] if match else ""
    rest = url[len(start) :]
    end = _end_of_credentials(rest)
    if end is not None:
        rest = f"{HIDDEN}{rest[end:]}"
    path = _until(rest, "?#")
    query = re.sub(r"[^&;?#]+", _redact_parameter, rest[len(path) :])
    return start + _SECRET.sub(rf"\1\2{HIDDEN}", path) + query


def _redact_parameter(match: re.Match[str]) -> str:
    if _HARMLESS.fullmatch(match[0]):
        return match[0]
    name, equals, _ = match[0].partition("=")
    return f"{name}={HIDDEN}" if equals else HIDDEN


def _end_of_credentials(rest: str) -> int | None:
    """Where what may be a user name and password ends in a URL without its protocol, or None.

    They may hold "@", "/", "?" and "#" that nobody escaped: then only the last "@" is safe, even
    where "host:554/a@2x" holds none.
    """
    authority = _until(rest, "/?#")
    last = rest.rfind("@")
    if last >= 0 and (":" in rest[:last] or "@" in authority):
        return last
    return None if _has_plain_host(authority) else len(authority) or None


def _has_plain_host(authority: str) -> bool:
    return re.fullmatch(r"(\[[^\[\]@]*\]|[^@:\[\]]+)(:\d*)?", authority) is not None


def _standard_url(url: str) -> str:
    """The URL with what nobody escaped in its password escaped."""
    scheme, _, rest = url.partition("://")
    end = _at_before_host(rest)
    if end is None:
        return f"{scheme.lower()}://{rest}"
    name, colon, password = rest[:end].partition(":")
    return f"{scheme.lower()}://{_escaped(name)}{colon}{_escaped(password)}{rest[end:]}"


def _at_before_host(rest: str) -> int | None:
    """Where the "@" in front of the host is; None where there are no credentials.

    By the standard it is the last one before the first "/", unless what follows it can be no host,
    or looks less like one than what follows a later "@".
    """
    authority = _until(rest, "/?#")
    last = rest.rfind("@")
    by_standard = authority.rfind("@")
    host = authority[by_standard + 1 :]
    if not _has_plain_host(host):
        return last if last >= 0 else None
    later = _until(rest, "?#").rfind("@")
    if later > by_standard and not _is_clear(host) and _is_clear(_until(rest[later + 1 :], "/?#")):
        return later
    return by_standard if by_standard >= 0 else None


def _is_clear(host: str) -> bool:
    """Whether nobody would write it for anything but a host: an address, or a name with a dot."""
    name = re.sub(r":\d*$", "", host)
    return _has_plain_host(host) and bool(
        re.search(r"\w\.\w", name) or name == "localhost" or name[:1] == "["
    )


def _until(text: str, ends: str) -> str:
    return re.split(f"[{ends}]", text, maxsplit=1)[0]


def _escaped(text: str) -> str:
    """What a URL's credentials may hold; "%2F" is taken to be escaped already."""
    return re.sub(r"[:@/?#\[\]\s]|%(?![0-9a-fA-F]{2})", lambda match: f"%{ord(match[0]):02X}", text)

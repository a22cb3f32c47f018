"""`[NAME=]SOURCE…`: what is watched, each under a name of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cdul_edge_runtime.errors import CdulEdgeError

if TYPE_CHECKING:
    from cdul_edge_runtime.streams.address import Address

_LONGEST = 100  # letters of a name


def name_sources(given: Sequence[str]) -> Mapping[str, str]:
    """Name to address, in the order given; a source without a name gets one from its address.

    Raises:
        CdulEdgeError: a name is faulty or stands twice, an address names no source, or stdin would
            be read twice.
    """
    from cdul_edge_runtime.streams.address import parse_address, split_name

    for text in given:
        _refuse_half(text)
    pairs = [split_name(text) for text in given]
    addresses = [parse_address(source) for _, source in pairs]
    if sum(address.kind == "raw" for address in addresses) > 1:
        raise CdulEdgeError(
            "two sources read stdin (raw:), and there is only one stdin: keep one of them"
        )
    names = [name for name, _ in pairs if name is not None]
    for name in names:
        _check(name)
        if names.count(name) > 1:
            raise CdulEdgeError(f"two sources are named {name}: give each a name of its own")
    taken = set(names)
    found: dict[str, str] = {}
    for (given_name, source), address in zip(pairs, addresses, strict=True):
        unique = given_name or _unused(_default_name(address), taken)
        taken.add(unique)
        found[unique] = source
    return found


def _refuse_half(text: str) -> None:
    """Only a name, or only what follows it: nearly always a shell variable that is not set."""
    plain = text.strip()
    if Path(text).exists():
        return
    if plain.startswith("="):
        raise CdulEdgeError("the name before = is empty: give NAME=SOURCE, or the source alone")
    if plain.endswith("=") and not set(plain) & set(":/"):
        raise CdulEdgeError(f"{plain} names no source: give one after =")


def _check(name: str) -> None:
    if len(name) > _LONGEST or not name.isprintable():
        raise CdulEdgeError(
            f"{name[:40]!a} is no name of a source: expected at most {_LONGEST} printable "
            "characters before ="
        )


def _default_name(address: Address) -> str:
    """A file's stem, a camera's host, a device's or a bag's name."""
    name: str = address.kind
    if address.kind in ("rtsp", "http"):
        name = _host(address.location) or name
    elif address.kind == "raw":
        name = "stdin"
    elif address.kind != "gst":
        shown = address.shown.removeprefix("bag:")  # a mistyped URL is a file, with a password
        name = Path(shown.partition("#")[0]).stem or name
    return "".join(letter if letter.isprintable() else "_" for letter in name[:_LONGEST])


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _unused(name: str, taken: set[str]) -> str:
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name}-{number}"
    return unique

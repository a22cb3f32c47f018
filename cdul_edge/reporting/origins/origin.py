"""How one input was made, and the words of a command."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

# What a command needs and no file recorded stands in it in capital letters.
IMAGES, TRUTH, BUNDLE, RUN = "IMAGES", "TRUTH", "BUNDLE", "RUN"


@dataclass(frozen=True)
class Setting:
    """One setting, as text.

    Attributes:
        name: as the command line or the file calls it.
        value: what it was.
        default: what it is today where nothing is asked for; None where there is no default.
    """

    name: str
    value: str
    default: str | None = None

    @property
    def differs(self) -> bool:
        """Whether somebody asked for it."""
        return self.value != self.default


@dataclass(frozen=True)
class Digest:
    """SHA-256 of something that the page was made from."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Origin:
    """How an input was made.

    Attributes:
        version: of the program that made it; None where it does not say.
        digests: of what was read of it.
        settings: those that differ from today's defaults stand first.
        commands: that make it again, as far as its files say.
        remarks: what they do not say.
        made_from: the digest of what it was made from, which a page that shows both can check.
    """

    version: str | None = None
    digests: tuple[Digest, ...] = ()
    settings: tuple[Setting, ...] = ()
    commands: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    made_from: str | None = None


def as_text(value: object) -> str:
    """A setting's value in few words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)


def asked_first(settings: Iterable[Setting]) -> tuple[Setting, ...]:
    """Those that differ from the defaults first; else in their order."""
    return tuple(sorted(settings, key=lambda one: not one.differs))


def command(*words: object) -> str:
    """A command line that a shell reads as these words."""
    return shlex.join(["cdul-edge", *map(str, words)])

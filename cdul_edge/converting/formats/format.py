"""What every form is: what it can say, how it is written, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cdul_edge.converting.labeled_set import LabeledSet
from cdul_edge.converting.request import FormatName
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.ownership import Content, FileKind, FolderKind, names_program
from cdul_edge_runtime.metrics.truth_formats import RawTruth

MARKER = ".cdul-edge.json"  # hidden: `datasets` takes other JSON in a folder for data


class NotThisFormatError(CdulEdgeError):
    """A file or folder that is not of the form that `--from` names; the text says why."""


@dataclass(frozen=True)
class Target:
    """Where a form is written.

    Attributes:
        place: the file or folder to write, under a temporary name.
        out: what it will be called.
        copy: put the pictures into it.
        picture_url: what stands before a picture's path in Label Studio's tasks.
    """

    place: Path
    out: Path
    copy: bool = False
    picture_url: str | None = None


@dataclass(frozen=True)
class Notes:
    """What people should know of a result, one line each: what to do next, and what is lost."""

    next_steps: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Imported:
    """What another tool's file says.

    Attributes:
        truth: pictures, classes, and labels.
        closed: a class that it does not name is absent, and not unknown.
        notes: what had to be left out, one line each.
    """

    truth: RawTruth
    closed: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """One form.

    Attributes:
        name: as `--to` and `--from` take it.
        title: what messages call it.
        write: writes a set, and gives what people should know.
        read: reads what the tool wrote; None where nothing is to be read.
        kind: what a result is, so that only ours are replaced; None for a file that cannot say who
            made it, and is therefore never replaced.
        says_unknown: an entry may be unknown.
        keeps_scores: every score is in it.
        copies: it can hold the pictures.
        by_place: it names pictures by the place where they lie.
        fold: how the tool compares names of classes.
        refuse_path: why it cannot hold a path; None where it can.
    """

    name: FormatName
    title: str
    write: Callable[[LabeledSet, Target], Notes]
    read: Callable[[Path], Imported] | None
    kind: FolderKind | FileKind | None = None
    says_unknown: bool = False
    keeps_scores: bool = False
    copies: bool = False
    by_place: bool = False
    fold: Callable[[str], str] = str
    refuse_path: Callable[[str], str | None] = lambda path: None


def folder_of(name: FormatName, title: str, *files: str) -> FolderKind:
    """A folder for another tool, which a hidden file marks as ours."""

    def made_by_us(content: Content) -> bool:
        return names_program(content) and content.get("convert") == name

    return FolderKind(f"folder for {title}", MARKER, (MARKER, *files), made_by_us)


def no_copy(place: str, error: OSError) -> CdulEdgeError:
    """What to raise for a picture that cannot be put into the result."""
    return CdulEdgeError(
        f"{place} cannot be copied ({error.strerror}): give the folder in which the pictures lie "
        "now as --images"
    )


def outer_space_or_break(path: str) -> str | None:
    """What tables lose: their readers strip fields, and a line break is a stray quote to them."""
    if "\n" in path or "\r" in path:
        return "holds a line break"
    return "begins or ends with a space" if path != path.strip() else None

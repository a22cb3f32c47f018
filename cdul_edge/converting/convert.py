"""To another tool's form, or from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cdul_edge.converting.examine import Tally, examine, refuse_clashes, refuse_path, without_blank
from cdul_edge.converting.formats.csv_tables import CSV, write_table
from cdul_edge.converting.formats.format import (
    MARKER,
    Format,
    Imported,
    NotThisFormatError,
    Target,
)
from cdul_edge.converting.formats.table import FORMATS
from cdul_edge.converting.inputs import all_paths, open_labels, open_set
from cdul_edge.converting.labeled_set import LabeledSet
from cdul_edge.converting.request import ConvertRequest, ConvertResult
from cdul_edge.labels.observed import answers_of
from cdul_edge.version import __version__
from cdul_edge_runtime.bundle.classes import ClassList, fold_class
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.files import (
    atomic_write,
    is_stream,
    new_directory,
    refuse_existing,
    write_json,
)
from cdul_edge_runtime.host.ownership import PROGRAM, FolderKind
from cdul_edge_runtime.metrics.truth_formats import OtherFormatError, RawTruth


def convert(request: ConvertRequest, console: Console | None = None) -> ConvertResult:
    """Write labels and scores for another tool, or read what people did there.

    Args:
        request: what to convert.
        console: where to say what a form cannot hold; without one, warnings are issued.

    Raises:
        CdulEdgeError: input that is damaged or of another form, classes or pictures that are not
            among the labels, what the form cannot hold, or an `out` that is not ours to replace.
    """
    console = console or LibraryConsole()
    if request.to_format is not None:
        return _export(request, FORMATS[request.to_format], console)
    assert request.from_format is not None
    return _import(request, FORMATS[request.from_format], console)


def _export(request: ConvertRequest, form: Format, console: Console) -> ConvertResult:
    if request.copy and not form.copies:
        holders = ", ".join(name for name, one in FORMATS.items() if one.copies)
        raise CdulEdgeError(f"{form.title} holds no pictures: --copy goes with --to {holders}")
    _refuse_out(request, form)
    found = open_set(request)
    tally = examine(found, form, look=form.by_place and request.picture_url is None)
    _tell(found, form, tally, console)
    if tally.blank and not form.says_unknown:
        found = without_blank(found, tally.blank)
    with _written(request, found, form) as target:
        notes = form.write(found, target)
    for line in notes.next_steps:
        console.say(line)
    for line in notes.losses:
        console.warn(line)
    return ConvertResult(
        out=request.out,
        pictures=found.count,
        classes=len(found.classes),
        present=tally.present,
        absent=tally.absent,
        unknown=tally.unknown,
    )


def _tell(found: LabeledSet, form: Format, tally: Tally, console: Console) -> None:
    if found.what != "labels" and not form.keeps_scores:
        console.say(f"{found.what} below their thresholds are absent in {form.title}")
    if tally.blank and not form.says_unknown:
        console.warn(f"{tally.blank} picture(s) of which nothing is known are left out")
    if tally.missing:
        console.warn(
            f"{tally.missing} of {tally.pictures} pictures are not there, such as "
            f"{tally.first_missing}: give the folder in which they lie now as --images"
        )


def _refuse_out(request: ConvertRequest, form: Format) -> None:
    """What the conversion would write over, said before anything is read."""
    out = request.out
    is_folder = isinstance(form.kind, FolderKind) and _makes_folder(request, form)
    if form.kind is None or (isinstance(form.kind, FolderKind) and not is_folder):
        _refuse_unmarked(out, "metadata.jsonl" if form.copies else "labels.csv")
        return
    taken = out.is_symlink() or (out.exists() and not is_stream(out))
    if taken and not (out.is_dir() and not any(out.iterdir())) and not request.force:
        raise CdulEdgeError(f"{out} exists: choose another OUT, or replace it with --force")
    refuse_existing(out, form.kind, force=request.force, inputs=_inputs(request))


def _refuse_unmarked(out: Path, example: str) -> None:
    """A table cannot say who made it, and labels of people are the last thing to write over."""
    if out.is_dir():
        raise CdulEdgeError(f"{out} is a folder: name a file in it as OUT, such as {out / example}")
    if (out.exists() or out.is_symlink()) and not is_stream(out):
        raise CdulEdgeError(
            f"{out} exists, and nothing in such a file says who made it: choose another OUT, or "
            "move it away"
        )


def _makes_folder(request: ConvertRequest, form: Format) -> bool:
    return form.name != "imagefolder" or request.copy


def _inputs(request: ConvertRequest) -> list[Path]:
    given = (request.input, request.labels, request.images)
    return [path for path in given if isinstance(path, Path)]


@contextmanager
def _written(request: ConvertRequest, found: LabeledSet, form: Format) -> Iterator[Target]:
    """Where the form writes; it gets its name when everything is there."""
    if not isinstance(form.kind, FolderKind) or not _makes_folder(request, form):
        with atomic_write(request.out) as place:
            yield Target(place, request.out, picture_url=request.picture_url)
        return
    inputs = _inputs(request)
    with new_directory(request.out, form.kind, force=request.force, inputs=inputs) as place:
        yield Target(place, request.out, request.copy, request.picture_url)
        marker = {
            "program": PROGRAM,
            "version": __version__,
            "convert": form.name,
            "labels": found.what,
            "classes": list(found.classes),
        }
        write_json(place / MARKER, marker)


def _import(request: ConvertRequest, form: Format, console: Console) -> ConvertResult:
    assert request.labels is not None
    if form.read is None:
        raise CdulEdgeError(
            f"--from {form.name}: nothing is read from it; --from takes {_readable()}"
        )
    _refuse_unmarked(request.out, "observed.csv")
    path = request.input
    if not isinstance(path, Path):
        raise CdulEdgeError(f"{path}: other tools' files are read from this machine: copy it first")
    if not path.exists():
        raise CdulEdgeError(f"{path} does not exist: check the path")
    stream = open_labels(request.labels)
    refuse_clashes(stream.classes, CSV)
    imported = _read(form, path)
    given = answers_of(_completed(imported, stream.classes), path, stream.classes)
    paths = all_paths(stream)
    answers = given.find(paths, root=stream.root).table(len(paths), len(stream.classes))
    rows = np.flatnonzero((answers != 0).any(axis=1)).tolist()
    labels = np.where(answers == 0, -1, answers > 0)[rows]
    for row in rows:
        refuse_path(paths[row], CSV)
    for note in imported.notes:
        console.warn(note)
    with atomic_write(request.out) as place:
        lines = zip((paths[row] for row in rows), labels.tolist(), strict=True)
        write_table(place, stream.classes, lines)
    return ConvertResult(
        out=request.out,
        pictures=len(rows),
        classes=len(stream.classes),
        present=int((labels == 1).sum()),
        absent=int((labels == 0).sum()),
        unknown=int((labels == -1).sum()),
    )


def _read(form: Format, path: Path) -> Imported:
    """What the file says; one of another form is an error that names all forms."""
    assert form.read is not None
    try:
        imported = form.read(path)
    except NotThisFormatError as error:
        raise CdulEdgeError(
            f"{path} is not of {form.title} ({error}): --from takes {_readable()}"
        ) from error
    except OtherFormatError as error:
        raise CdulEdgeError(f"{error}; --from takes {_readable()}") from error
    if not imported.truth.paths:
        raise CdulEdgeError(f"{path} names no picture: there is nothing to convert")
    return imported


def _readable() -> str:
    return ", ".join(name for name, one in FORMATS.items() if one.read is not None)


def _completed(imported: Imported, classes: ClassList) -> RawTruth:
    """Where what is not named is absent, classes that nothing names are columns of zeros."""
    raw = imported.truth
    if not imported.closed:
        return raw
    named = {fold_class(name) for name in raw.classes}
    more = tuple(name for name in classes if fold_class(name) not in named)
    zeros = np.zeros((len(raw.paths), len(more)), np.int8)
    return raw._replace(classes=raw.classes + more, labels=np.hstack([raw.labels, zeros]))

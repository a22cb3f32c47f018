"""Label Studio: tasks with pre-annotations and the labeling configuration; its JSON export back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

import numpy as np

from cdul_edge.converting.formats.format import (
    Format,
    Imported,
    Notes,
    NotThisFormatError,
    Target,
    folder_of,
)
from cdul_edge.converting.formats.json_lists import to_json, write_list
from cdul_edge.converting.formats.name_lists import table_of
from cdul_edge.converting.labeled_set import LabeledBatch, LabeledSet
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.json_record import RecordError, parse_record
from cdul_edge_runtime.host.ownership import PROGRAM
from cdul_edge_runtime.host.reading import read_json_text

_TASKS, _CONFIG = "tasks.json", "labeling_config.xml"
_CONTROL, _OBJECT = "labels", "image"  # the names of the two tags
_LOCAL_FILES = "/data/local-files/?d="
_UPLOADED = re.compile(r"[0-9a-f]{8}-")  # Label Studio puts it before the name of an upload
_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True)
class _Value:
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class _Result:
    """One answer of an annotation; regions and ratings have other types, relations no value."""

    type: str
    value: _Value | None = None
    from_name: str = ""


@dataclass(frozen=True)
class _Annotation:
    """What one person did with a task; who skipped it may have left no result."""

    result: tuple[_Result, ...] | None = None
    was_cancelled: bool = False
    id: int | str | None = None
    completed_by: object = None


@dataclass(frozen=True)
class _Data:
    """Of a task: `path` is ours, `image` what is shown."""

    image: str | None = None
    path: str | None = None


@dataclass(frozen=True)
class _Task:
    data: _Data
    annotations: tuple[_Annotation, ...]


@dataclass(frozen=True)
class _Export:
    tasks: tuple[_Task, ...]


def _write(found: LabeledSet, target: Target) -> Notes:
    for name in found.classes:
        if _NO_XML.search(name):
            raise CdulEdgeError(f"no XML can hold the class {name!r}: rename it")
    choices = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in found.classes)
    (target.place / _CONFIG).write_text(
        f'<View>\n  <Image name="{_OBJECT}" value="${_OBJECT}"/>\n'
        f'  <Choices name="{_CONTROL}" toName="{_OBJECT}" choice="multiple">\n'
        f"{choices}  </Choices>\n</View>\n",
        encoding="utf-8",
        newline="\n",
    )
    with (target.place / _TASKS).open("w", encoding="utf-8", newline="\n") as file:
        write_list(file, _tasks(found, target.picture_url))
    losses: tuple[str, ...] = ()
    if found.what == "labels":
        losses = ("what is unknown is not chosen in the tasks: whoever finishes one answers it",)
    if target.picture_url is not None:
        return Notes(losses=losses)
    root = (found.local_root or Path()).absolute()
    serve = (
        "pictures are local files: start Label Studio with "
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true "
        f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={root.parent}, and add {root} as local storage"
    )
    return Notes((serve,), losses)


def _tasks(found: LabeledSet, url: str | None) -> Iterator[str]:
    before = url
    if before is None:
        before = f"{_LOCAL_FILES}{quote((found.local_root or Path()).absolute().name)}/"
    for batch in found:
        rows = zip(batch.paths, batch.names(found.classes), _sureness(found, batch), strict=True)
        for path, names, score in rows:
            result = {
                "from_name": _CONTROL,
                "to_name": _OBJECT,
                "type": "choices",
                "value": {"choices": names},
            }
            prediction: dict[str, object] = {"model_version": PROGRAM, "result": [result]}
            if score is not None:
                prediction["score"] = score
            data = {_OBJECT: before + quote(path), "path": path}
            yield to_json({"data": data, "predictions": [prediction]})


def _sureness(found: LabeledSet, batch: LabeledBatch) -> Iterator[float | None]:
    """How sure the least sure label of each picture is, in [0.5, 1]: tasks are sorted by it."""
    if batch.scores is None or found.thresholds is None:
        yield from [None] * len(batch.paths)
        return
    sure = np.maximum(batch.scores, 1 - batch.scores).min(axis=1)
    yield from map(float, sure.astype("U32").tolist())


def _read(path: Path) -> Imported:
    if path.suffix.lower() != ".json":
        raise NotThisFormatError("its name does not end in .json")
    content = read_json_text(path)
    if not isinstance(content, list):
        raise NotThisFormatError("expected a list of tasks")
    if content and not all(isinstance(one, dict) and "annotations" in one for one in content):
        raise NotThisFormatError(
            "its tasks have no annotations: choose JSON in Label Studio's export, not JSON-MIN"
        )
    try:
        tasks = parse_record(_Export, {"tasks": content}).tasks
    except RecordError as error:
        raise NotThisFormatError(f"{error}") from error
    _refuse_halves(tasks)
    control = _control(tasks)
    answered = [(task, _answers(task, control)) for task in tasks]
    pictures = [(_path(task, path), one) for task, one in answered if one]
    if not pictures:
        raise CdulEdgeError(
            f"{path} holds {len(tasks)} task(s), and none that somebody finished: annotate some, "
            "and export them again"
        )
    present, unknown, notes = _agree(pictures)
    skipped = len(answered) - len(pictures)
    if skipped:
        notes += (f"{skipped} task(s) that nobody finished, or that were skipped, are left out",)
    table = table_of([name for name, _ in pictures], present, unknown=unknown)
    return Imported(table, closed=True, notes=notes)


def _refuse_halves(tasks: tuple[_Task, ...]) -> None:
    """Raise `NotThisFormatError` where somebody finished a task and what they chose is missing."""
    for number, task in enumerate(tasks):
        for place, given in enumerate(task.annotations):
            where = f"tasks[{number}].annotations[{place}]"
            if given.result is None and not given.was_cancelled:
                raise NotThisFormatError(f"{where} has no list result, and was not skipped")
            for one in given.result or ():
                if one.type == "choices" and (one.value is None or one.value.choices is None):
                    raise NotThisFormatError(
                        f"{where} has a result of choices without value.choices"
                    )


def _control(tasks: tuple[_Task, ...]) -> str | None:
    """The name of the choices that are read; None where nobody chose anything.

    Raises:
        NotThisFormatError: the project asks for something else, or has several lists of choices.
    """
    results = [one for task in tasks for given in task.annotations for one in given.result or ()]
    names = sorted({one.from_name for one in results if one.type == "choices"})
    others = sorted({one.type for one in results if one.type != "choices"})
    if not names and others:
        raise NotThisFormatError(f"its project asks for {', '.join(others)}, not for choices")
    if len(names) > 1 and _CONTROL not in names:
        raise NotThisFormatError(
            f"its project has several lists of choices ({', '.join(names)}), none called {_CONTROL}"
        )
    return _CONTROL if _CONTROL in names else next(iter(names), None)


def _answers(task: _Task, control: str | None) -> list[tuple[str, frozenset[str]]]:
    """Who finished a task, and what they chose; nothing chosen is an answer, too."""
    return [
        (
            _annotator(given, number),
            frozenset(
                name
                for one in given.result or ()
                if one.type == "choices" and one.from_name == control and one.value is not None
                for name in one.value.choices or ()
            ),
        )
        for number, given in enumerate(task.annotations, 1)
        if not given.was_cancelled
    ]


def _annotator(given: _Annotation, number: int) -> str:
    who = given.completed_by
    who = who.get("email", who.get("id")) if isinstance(who, dict) else who
    return f"annotator {who}" if isinstance(who, (int, str)) else f"annotation {given.id or number}"


def _agree(
    pictures: list[tuple[str, list[tuple[str, frozenset[str]]]]],
) -> tuple[list[list[str]], list[list[str]], tuple[str, ...]]:
    """What everybody chose, what only some did, and a line about the first of these."""
    present: list[list[str]] = []
    unknown: list[list[str]] = []
    first = ""
    for path, answers in pictures:
        everybody = frozenset.intersection(*(chosen for _, chosen in answers))
        some = frozenset.union(*(chosen for _, chosen in answers)) - everybody
        present.append(sorted(everybody))
        unknown.append(sorted(some))
        if some and not first:
            name = min(some)
            yes = next(who for who, chosen in answers if name in chosen)
            no = next(who for who, chosen in answers if name not in chosen)
            first = f"{yes} sees {name!r} in {path!r}, and {no} does not"
    count = sum(map(len, unknown))
    if not count:
        return present, unknown, ()
    return (
        present,
        unknown,
        (f"annotators contradict each other on {count} label(s), which become unknown: {first}",),
    )


def _path(task: _Task, file: Path) -> str:
    """Ours; else that of a local file, an upload without what was put before it, or a URL's."""
    if task.data.path:
        return task.data.path
    if not task.data.image:
        raise CdulEdgeError(f"{file} has a task that names no picture: expected data.{_OBJECT}")
    try:
        parts = urlsplit(task.data.image)
    except ValueError as error:
        raise CdulEdgeError(f"{file}: {task.data.image!r} is no address ({error})") from error
    local = parse_qs(parts.query).get("d")
    if local and parts.path.endswith("/local-files/"):
        return local[0]
    folder, _, name = unquote(parts.path).rpartition("/")
    return _UPLOADED.sub("", name, count=1) if "/upload/" in f"{folder}/" else f"{folder}/{name}"


LABEL_STUDIO = Format(
    name="label-studio",
    title="Label Studio",
    write=_write,
    read=_read,
    kind=folder_of("label-studio", "Label Studio", _TASKS, _CONFIG),
    says_unknown=True,
    by_place=True,
    fold=lambda name: " ".join(name.split()),
)

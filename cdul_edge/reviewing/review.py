"""The verb: labels in, one page of questions out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cdul_edge.labels.observed import read_answers
from cdul_edge.page.page import write_page
from cdul_edge.page.thumbnails import Thumbnail
from cdul_edge.reviewing.answer_file import choose_form
from cdul_edge.reviewing.choose import ChoiceRequest, Entry, choose
from cdul_edge.reviewing.pictures import PictureFinder
from cdul_edge.reviewing.questions import join_questions
from cdul_edge.reviewing.request import ReviewRequest, ReviewResult
from cdul_edge.reviewing.review_page import (
    REVIEW_PAGE,
    embed_pictures,
    name_commands,
    render_page,
)
from cdul_edge.reviewing.scores import ReviewedScores, open_scores
from cdul_edge.reviewing.sheet_questions import SheetQuestion, read_questions
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.files import refuse_existing


def review(request: ReviewRequest, console: Console | None = None) -> ReviewResult:
    """Write a page that asks about the labels of which an answer helps most.

    Args:
        request: the labels, and what to ask.
        console: where to say what is left out; without one, warnings are issued.

    Raises:
        CdulEdgeError: labels that are not there or not finished, no picture of them, an unknown
            class, answers or a sheet of other labels, or something else at `out`.
    """
    console = console or LibraryConsole()
    _refuse_place(request)
    scores = open_scores(request.labels)
    finder = PictureFinder(scores, request.images)
    names = request.class_names or scores.classes.names
    columns = [scores.classes.index(name) for name in names]
    choose_form([scores.classes.names[column] for column in columns], scores.classes)
    sheet = () if request.sheet is None else read_questions(request.sheet, scores)
    choice = ChoiceRequest(
        count=request.count,
        class_names=request.class_names,
        find_picture=finder,
        answered=_read_answered(request.observed, scores),
    )
    shown = _choose_shown(scores, choice, sheet, finder)
    if not shown.entries:
        raise _nothing_to_ask(scores, finder)
    _say_what_is_left_out(shown, request, finder, scores.count, console)
    questions = join_questions(shown.entries, sheet, shown.pictures)
    commands = name_commands(
        str(request.labels),
        request.images,
        are_labels=scores.root is not None,
        some_missing=finder.example is not None,
    )
    html = render_page(questions, scores.classes, commands)
    write_page(request.out, html)
    return ReviewResult(
        out=request.out,
        bytes=len(html.encode()),
        entries=dict(Counter(one.name for one in shown.entries)),
        pictures=len(questions.pictures),
        sheet_questions=len(sheet),
        missing=finder.missing,
    )


@dataclass(frozen=True)
class _Shown:
    """Entries to ask about, and pictures by path, those of a sheet included."""

    entries: tuple[Entry, ...]
    pictures: dict[str, Thumbnail]


def _choose_shown(
    scores: ReviewedScores,
    choice: ChoiceRequest,
    sheet: Sequence[SheetQuestion],
    finder: PictureFinder,
) -> _Shown:
    """Choose entries; pictures that turn out to be damaged give way to others."""
    while True:
        entries = choose(scores, choice)
        asked = [one.path for one in entries] + [one.path for one in sheet]
        files = {
            path: file for path in dict.fromkeys(asked) if (file := finder.find(path)) is not None
        }
        embedded = embed_pictures(list(files.values()))
        by_name = {one.name: one for one in embedded.all()}
        named = {path: embedded.add(str(file)) for path, file in files.items()}
        pictures = {path: by_name[name] for path, name in named.items() if name is not None}
        broken = [one.path for one in entries if one.path not in pictures]
        if not broken:
            return _Shown(entries, pictures)
        finder.leave_out({path: embedded.missing[str(files[path])] for path in broken})


def _read_answered(files: Sequence[Path], scores: ReviewedScores) -> frozenset[tuple[str, str]]:
    if not files:
        return frozenset()
    given = read_answers(files, scores.classes)
    paths, names = tuple(scores.paths(given.stems)), scores.classes.names
    found = given.find(paths, scores.count, scores.root)
    pairs = zip(found.rows.tolist(), found.columns.tolist(), strict=True)
    return frozenset((paths[row], names[column]) for row, column in pairs)


def _refuse_place(request: ReviewRequest) -> None:
    """Before anything is read: what is in the way, and a page inside the labels folder."""
    given = [request.labels, *request.observed, request.sheet]
    inputs = [one for one in given if isinstance(one, Path)]
    refuse_existing(request.out, REVIEW_PAGE, force=request.force, inputs=inputs)
    labels = request.labels
    inside = isinstance(labels, Path) and labels.resolve() in request.out.resolve().parents
    if inside:
        raise CdulEdgeError(
            f"{request.out} is inside {labels}, which it asks about: write it elsewhere"
        )


def _nothing_to_ask(scores: ReviewedScores, finder: PictureFinder) -> CdulEdgeError:
    if finder.example is None or finder.missing < scores.count:
        return CdulEdgeError(
            "every entry that was asked for has an answer already: drop an --observed, or ask "
            "about more classes"
        )
    path, reason = finder.example
    return CdulEdgeError(
        f"none of the {scores.count} labeled pictures can be shown, so nobody could answer: "
        f"{path!r} {reason}; give the folder they lie in now as --images"
    )


def _say_what_is_left_out(
    shown: _Shown, request: ReviewRequest, finder: PictureFinder, count: int, console: Console
) -> None:
    if finder.example is not None:
        path, reason = finder.example
        console.warn(
            f"{finder.missing} of {count} labeled pictures are left out, as nobody can be asked "
            f"about them: {path!r} {reason}"
        )
    if len(shown.entries) < request.count:
        console.say(
            f"there are {len(shown.entries)} entries to ask about, fewer than --count "
            f"{request.count}: the page asks about all of them"
        )

"""The verb: finished folders and files in, one page out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from cdul_edge.page.numbers import numbers_of
from cdul_edge.page.page import Page, render, write_page
from cdul_edge.page.thumbnails import Thumbnails
from cdul_edge.reporting.asked import Asked
from cdul_edge.reporting.classes import refuse_unknown_classes
from cdul_edge.reporting.header import Header, make_header
from cdul_edge.reporting.inputs import Inputs, find_inputs
from cdul_edge.reporting.request import ReportRequest, ReportResult
from cdul_edge.reporting.section import Section
from cdul_edge.reporting.sections import READERS
from cdul_edge.version import __version__
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.files import encode_json, refuse_existing, write_json
from cdul_edge_runtime.host.ownership import PROGRAM, FileKind
from cdul_edge_runtime.host.unfinished.names import remove_left_behind_of

TITLE = "cdul-edge report"
_MARK = b'<meta name="generator" content="cdul-edge report">'
REPORT_PAGE = FileKind("report page", lambda beginning: _MARK in beginning)
_FIGURES = FileKind("file of figures", lambda beginning: b'"stage": "report"' in beginning[:500])


def report(request: ReportRequest, console: Console | None = None) -> ReportResult:
    """Write one page that shows everything that was given.

    Args:
        request: what to show, and where.
        console: shows progress and warnings; without one, warnings are issued.

    Raises:
        CdulEdgeError: an input that is not there, not finished, or not of this program, or a place
            where something else lies.
    """
    console = console or LibraryConsole()
    _refuse_places(request)
    inputs = find_inputs(request.inputs, console)
    _refuse_inside(request, inputs)
    refuse_unknown_classes(request.class_names, inputs)
    # every path is made absolute before it is looked up: the inputs lie in several places
    pictures = Thumbnails(Path())
    asked = Asked(inputs, pictures, request.images, request.class_names, console)
    sections, faults = _read_sections(asked)
    inputs = inputs.without(faults)
    header = make_header(request, inputs)
    facts = {section.key: section.facts_json() for section in sections}
    figures = _figures(header, facts)
    html = render(
        Page("report/report.html", TITLE, pictures=pictures),
        {
            "header": header,
            "sections": sections,
            "contents": [(section.key, section.title) for section in sections],
            "number_of": {key: numbers_of(of, f"/sections/{key}") for key, of in facts.items()},
        },
    )
    write_page(request.out, html)
    if request.json is not None:
        write_json(request.json, figures)
        remove_left_behind_of(request.json)
    return ReportResult(
        out=request.out,
        bytes=len(html.encode()),
        sections=tuple(section.key for section in sections),
        pictures=len(pictures.all()),
        missing=len(pictures.missing),
        figures=figures,
    )


def _read_sections(asked: Asked) -> tuple[list[Section], dict[str, str]]:
    """All sections, and by its key what is wrong with each input that a folder brought along."""
    sections: list[Section] = []
    faults: dict[str, str] = {}
    for one in asked.inputs.shown:
        try:
            sections.append(READERS[one.kind](one, asked))
        except CdulEdgeError as error:
            if one.named or len(faults) + 1 == len(asked.inputs.shown):
                raise
            faults[one.key] = str(error)
            asked.console.warn(f"left out: {error}")
    return sections, faults


def _figures(header: Header, facts: Mapping[str, object]) -> dict[str, object]:
    figures: dict[str, object] = {
        "program": PROGRAM,
        "version": __version__,
        "stage": "report",
        "header": asdict(header),
        "sections": facts,
    }
    encode_json(figures)  # what is no JSON is a bug that must not leave a page behind
    return figures


def _refuse_places(request: ReportRequest) -> None:
    """Before anything is read: what is in the way, and places that could be an input."""
    if request.images is not None and not request.images.is_dir():
        raise CdulEdgeError(f"--images {request.images} is no folder: name where the images lie")
    for place in filter(None, (request.out, request.json)):
        if place.is_dir():
            raise CdulEdgeError(
                f"{place} is a folder: name a file, such as {place / 'report.html'}"
            )
    refuse_existing(request.out, REPORT_PAGE, force=request.force, inputs=request.inputs)
    if request.json is None:
        return
    refuse_existing(request.json, _FIGURES, force=True, inputs=request.inputs)
    if request.json.resolve() == request.out.resolve():
        raise CdulEdgeError(f"--json and --out are both {request.out}: choose two files")


def _refuse_inside(request: ReportRequest, inputs: Inputs) -> None:
    """A stage's folder holds what the stage wrote; a page in it would be in the way of --force."""
    for place in filter(None, (request.out, request.json)):
        for one in inputs.shown:
            if one.path.is_dir() and one.path.resolve() in place.resolve().parents:
                raise CdulEdgeError(
                    f"{place} is inside {one.path}, which the page shows: write it elsewhere"
                )

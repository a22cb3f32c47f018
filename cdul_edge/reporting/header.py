"""The head of the page: what was made with which settings, and the commands that make it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cdul_edge.reporting.inputs import InputKind, Inputs
from cdul_edge.reporting.origins.chain import find_breaks, find_origins
from cdul_edge.reporting.origins.origin import Origin, command
from cdul_edge.reporting.request import ReportRequest
from cdul_edge.version import __version__

TITLES: Mapping[InputKind, str] = {
    "labels": "Labels",
    "run": "Training",
    "bundle": "Bundle",
    "verify": "Verification",
    "bench": "Speed",
    "evaluation": "Evaluation",
    "predictions": "Predictions",
    "watch": "Streams",
}
# Of the stages that were not given: the command that makes each.
_MAKE: Mapping[InputKind, str] = {
    "labels": "cdul-edge label IMAGES --classes classes.txt --clip ViT-B-16 --out labels",
    "run": "cdul-edge train labels --out run",
    "bundle": "cdul-edge export run --out bundle",
    "verify": "cdul-edge verify bundle --precision all --json verify.json",
    "bench": "cdul-edge bench bundle --json bench.json",
    "evaluation": "cdul-edge evaluate labels --truth truth.csv --json evaluation.json",
    "predictions": "cdul-edge predict bundle IMAGES --out predictions.jsonl",
    "watch": "cdul-edge watch bundle CAMERA --out watch.jsonl",
}


@dataclass(frozen=True)
class Entry:
    """One thing that the page shows, and how it was made.

    Attributes:
        key: of its section.
        title: what it is.
        path: as it was given.
        origin: settings, versions, digests, and the commands that make it again.
    """

    key: str
    title: str
    path: str
    origin: Origin


@dataclass(frozen=True)
class Missing:
    """A stage that was not given, and the command that makes it."""

    title: str
    command: str


@dataclass(frozen=True)
class Header:
    """What stands at the top of the page.

    Attributes:
        version: of the program that made the page.
        command: that makes it again.
        entries: what it shows.
        breaks: where one thing was not made from another that the page shows.
        missing: what it does not show.
        left_out: what lies in a folder that was given and is not shown: the reasons.
    """

    version: str
    command: str
    entries: tuple[Entry, ...]
    breaks: tuple[str, ...]
    missing: tuple[Missing, ...]
    left_out: tuple[str, ...]


def make_header(request: ReportRequest, inputs: Inputs) -> Header:
    """The header of a page about these inputs."""
    origins = find_origins(inputs)
    return Header(
        version=__version__,
        command=_command(request),
        entries=tuple(
            Entry(one.key, TITLES[one.kind], str(one.path), origins[one.key])
            for one in inputs.shown
        ),
        breaks=find_breaks(inputs, origins),
        missing=tuple(
            Missing(TITLES[kind], make) for kind, make in _MAKE.items() if not inputs.of(kind)
        ),
        left_out=tuple(one.reason for one in inputs.left_out),
    )


def _command(request: ReportRequest) -> str:
    """Wherever the page is written, it is the same: it may be copied and renamed."""
    words: list[object] = ["report", *request.inputs, "--out", "report.html"]
    if request.images is not None:
        words += ["--images", request.images]
    for name in request.class_names:
        words += ["--class", name]
    return command(*words)

"""The head of the page: what was made with which settings, and the commands that make it again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from cdul_edge.reporting.inputs import InputKind, Inputs, LeftOut
from cdul_edge.reporting.request import ReportRequest
from cdul_edge.version import __version__

TITLES: Mapping[InputKind, str] = {
    "labels": "Labels",
    "run": "Training",
    "bundle": "Bundle",
    "verify": "Verification",
    "bench": "Speed",
    "evaluation": "How good is it",
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
    """One thing that the page shows.

    Attributes:
        key: of its section.
        title: what it is.
        path: as it was given.
    """

    key: str
    title: str
    path: str


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
        missing: what it does not.
        left_out: what lies in a folder that was given and is not shown, with the reason.
    """

    version: str
    command: str
    entries: tuple[Entry, ...]
    missing: tuple[Missing, ...]
    left_out: tuple[tuple[str, str], ...]


def make_header(request: ReportRequest, inputs: Inputs) -> Header:
    """The header of a page about these inputs."""
    return Header(
        version=__version__,
        command=_command(request),
        entries=tuple(Entry(o.key, TITLES[o.kind], str(o.path)) for o in inputs.shown),
        missing=tuple(
            Missing(TITLES[kind], make) for kind, make in _MAKE.items() if not inputs.of(kind)
        ),
        left_out=tuple(map(_say, inputs.left_out)),
    )


def _say(one: LeftOut) -> tuple[str, str]:
    return str(one.path), one.reason


def _command(request: ReportRequest) -> str:
    """Wherever the page is written, it is the same: it may be copied and renamed."""
    words = ["cdul-edge", "report", *map(str, request.inputs), "--out", "report.html"]
    if request.images is not None:
        words += ["--images", str(request.images)]
    for name in request.class_names:
        words += ["--class", name]
    return shlex.join(words)

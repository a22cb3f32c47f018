"""How the JSON of a command, predictions, and rows of a watch were made."""

from __future__ import annotations

from dataclasses import dataclass

from cdul_edge.reporting.inputs import Input
from cdul_edge.reporting.origins.origin import BUNDLE, IMAGES, TRUTH, Digest, Origin, command
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json, sha256_file
from cdul_edge_runtime.host.json_record import RecordError, parse_record


@dataclass(frozen=True)
class _Row:
    precision: str = "fp32"


@dataclass(frozen=True)
class _Pictures:
    count: int = 0
    truth: str = ""


@dataclass(frozen=True)
class _Told:
    """What such JSON says of its making."""

    version: str | None = None
    scores: str | None = None
    truth: str | None = None
    sheet: str | None = None
    bundle: str | None = None
    manifest_sha256: str | None = None
    rows: tuple[_Row, ...] = ()
    pictures: _Pictures | int = 0


def file_origin(one: Input) -> Origin:
    """Of a file that a command wrote."""
    digests = (Digest(one.path.name, sha256_file(one.path)),)
    if one.kind == "predictions":
        words: list[object] = ["predict", BUNDLE, IMAGES, "--out", one.path]
        return Origin(digests=digests, commands=(command(*words),))
    if one.kind == "watch":
        return Origin(
            digests=digests, commands=(command("watch", BUNDLE, "CAMERA", "--out", one.path),)
        )
    try:
        told = parse_record(_Told, read_json(one.path))
    except RecordError as error:
        raise CdulEdgeError(f"{one.path} is damaged ({error}): make it again") from error
    if one.kind == "evaluation":
        words = ["evaluate", told.scores]
        if told.truth is not None:
            words += ["--truth", told.truth]
        if told.sheet is not None:
            words += ["--sampled", told.sheet]
    else:
        precisions = sorted({row.precision for row in told.rows})
        precision = precisions[0] if len(precisions) == 1 else "all"
        words = [one.kind, told.bundle, "--precision", precision]
        if isinstance(told.pictures, _Pictures) and told.pictures.count:
            words += ["--images", IMAGES]
            words += ["--truth", TRUTH] if told.pictures.truth == "given" else []
    return Origin(
        version=told.version,
        digests=digests,
        commands=(command(*words, "--json", one.path),),
        made_from=told.manifest_sha256,
    )

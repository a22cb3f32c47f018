"""What a conversion is asked for, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from cdul_edge.storage.location import Location
from cdul_edge_runtime.errors import CdulEdgeError

FormatName = Literal[
    "csv",
    "csv-scores",
    "coco",
    "imagefolder",
    "parquet",
    "lightly-train",
    "cleanlab",
    "label-studio",
    "fiftyone",
]
FORMAT_NAMES: tuple[FormatName, ...] = get_args(FormatName)


@dataclass(frozen=True)
class ConvertRequest:
    """One conversion, to another tool's form or from it.

    Attributes:
        input: to another form: a labels folder, a file of pseudo-labels, predictions (.jsonl,
            .csv), labels that people gave, or truth. From another form: that tool's file or folder.
        out: the file or folder to make; from another form, the CSV that `train --observed` reads.
        to_format: the form to write; None where `from_format` is given.
        from_format: the form to read; None where `to_format` is given.
        labels: pseudo-labels whose pictures and classes the labels are about. From another form
            they are needed; to another form they make `input` labels that people gave, of which
            what is not named is unknown, and their scores go beside.
        images: the folder in which the pictures lie now; None: where the labels say.
        copy: put the pictures into the result, where its form can hold them.
        picture_url: what stands before a picture's path in Label Studio's tasks; None: its local
            files.
        force: replace an earlier result.

    Raises:
        CdulEdgeError: no direction or both, an unknown format, no labels where they are needed, or
            an option of the other direction.
    """

    input: Location
    out: Path
    to_format: FormatName | None = None
    from_format: FormatName | None = None
    labels: Location | None = None
    images: Path | None = None
    copy: bool = False
    picture_url: str | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if (self.to_format is None) == (self.from_format is None):
            raise CdulEdgeError(
                "a conversion has one direction: --to FORMAT writes for another tool, and --from "
                "FORMAT reads what it wrote"
            )
        for given in (self.to_format, self.from_format):
            if given is not None and given not in FORMAT_NAMES:
                raise CdulEdgeError(
                    f"there is no format {given!r}: expected one of {', '.join(FORMAT_NAMES)}"
                )
        if self.from_format is not None:
            if self.labels is None:
                raise CdulEdgeError(
                    "--from needs --labels: the labels folder whose pictures and classes are meant"
                )
            if self.copy or self.picture_url is not None or self.images is not None:
                raise CdulEdgeError("--images, --copy, and --picture-url go with --to")
        if self.picture_url is not None and self.to_format != "label-studio":
            raise CdulEdgeError("--picture-url goes with --to label-studio")


@dataclass(frozen=True)
class ConvertResult:
    """What was written.

    Attributes:
        out: the file or folder.
        pictures: how many it names.
        classes: how many.
        present, absent, unknown: entries (a picture and a class) of each kind.
    """

    out: Path
    pictures: int
    classes: int
    present: int
    absent: int
    unknown: int

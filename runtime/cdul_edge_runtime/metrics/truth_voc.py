"""Truth as a folder of PASCAL VOC annotation XML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from cdul_edge_runtime.choices import Difficult
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.reading import read_bytes
from cdul_edge_runtime.metrics.matching import clean_path
from cdul_edge_runtime.metrics.truth_formats import RawTruth, as_table
from cdul_edge_runtime.pictures.walk import SUFFIXES

_DIFFICULT_LABEL: dict[Difficult, int] = {"negative": 0, "ignore": -1, "positive": 1}
_MAX_XML_BYTES = 64 << 20
_ENCODING = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([\w.-]+)["']""")
_BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


class _Annotation(NamedTuple):
    """One file: the picture it is about, another name that it gives it, and what it shows."""

    path: str
    alias: str
    labels: dict[str, int]


def read_voc(folder: Path, difficult: Difficult) -> RawTruth:
    """A folder of VOC XML; classes are the object names found, sorted.

    A file is about the picture of its own stem. Its `<filename>` says the ending, where the two
    agree; where not (renamed, or copied from elsewhere), it counts only for a picture that no file
    is named after.

    Raises:
        CdulEdgeError: no XML in the folder, or a file that is not a VOC annotation.
    """
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() == ".xml" and not file.name.startswith(".")
    )
    if not files:
        raise CdulEdgeError(f"{folder} has no .xml files: give the VOC Annotations folder")
    found = [_read_annotation(file, _DIFFICULT_LABEL[difficult]) for file in files]
    names = tuple(sorted({name for annotation in found for name in annotation.labels}))
    paths = tuple(annotation.path for annotation in found)
    rows = [[annotation.labels.get(name, 0) for name in names] for annotation in found]
    return RawTruth(
        names,
        paths,
        as_table(rows, paths, names),
        names_present_only=True,
        aliases=tuple(annotation.alias for annotation in found),
    )


def _read_annotation(file: Path, difficult_label: int) -> _Annotation:
    root = _parse(file)
    if root.tag.rpartition("}")[2].lower() != "annotation":
        raise CdulEdgeError(
            f"{file} is not a VOC annotation: it begins with <{root.tag[:40]}>, "
            "expected <annotation>"
        )
    named = clean_path((root.findtext("{*}filename") or "").strip())
    stem, name = file.stem, named.rpartition("/")[2]
    if name == stem or (name.startswith(f"{stem}.") and name[len(stem) :].lower() in SUFFIXES):
        return _Annotation(name, "", _labels(root, file, difficult_label))
    return _Annotation(stem, name, _labels(root, file, difficult_label))


def _parse(file: Path) -> ElementTree.Element:
    """Decode first: expat knows few encodings, and raises ValueError for the others."""
    content = read_bytes(file, limit_bytes=_MAX_XML_BYTES)
    encoding = _encoding(content)
    try:
        text = content.decode(encoding).lstrip("\ufeff \t\r\n")
    except (LookupError, UnicodeError) as error:
        raise CdulEdgeError(
            f"{file} is not text in {encoding} ({error}): save it as UTF-8"
        ) from error
    if "<!ENTITY" in text:  # no annotation needs one; nested ones grow without end
        raise CdulEdgeError(f"{file} declares XML entities: take them out, no annotation needs any")
    try:
        # without the declaration, whose encoding is no longer that of the text
        return ElementTree.fromstring(re.sub(r"\A<\?xml[^>]*\?>", "", text))
    except (ElementTree.ParseError, ValueError) as error:
        raise CdulEdgeError(f"{file} is not valid XML ({error}): copy it again") from error


def _encoding(content: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return encoding
    declared = _ENCODING.match(content.lstrip())
    return declared[1].decode("ascii") if declared else "utf-8"


def _labels(root: ElementTree.Element, file: Path, difficult_label: int) -> dict[str, int]:
    labels: dict[str, int] = {}
    for element in root.findall(".//{*}object"):
        name = (element.findtext("{*}name") or "").strip()
        if not name:
            raise CdulEdgeError(f"{file} has an object without a name: name it, or take it out")
        if (element.findtext("{*}difficult") or "0").strip() != "1":
            labels[name] = 1
        else:
            labels.setdefault(name, difficult_label)
    return labels

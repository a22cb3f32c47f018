"""The readers behind `read_truth`: CSV, COCO, VOC and NPZ, each into one `RawTruth`."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from cdul_edge_runtime.choices import Difficult as Difficult
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.npz import read_npz as read_arrays

_DIFFICULT_LABEL = {"negative": 0, "ignore": -1, "positive": 1}


class RawTruth(NamedTuple):
    """What a file says, unchecked; `TruthTable` has the same fields, and checks them."""

    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: npt.NDArray[np.int8]
    names_present_only: bool = False


def read_csv(path: Path) -> RawTruth:
    """Multi-hot columns, or one column `label` of comma-joined names."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CdulEdgeError(f"{path} is not UTF-8 ({error.reason}): save it as UTF-8") from error
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    if not rows or "image_path" not in rows[0] or len(rows[0]) < 2:
        header = ",".join(rows[0])[:80] if rows else "nothing"
        raise CdulEdgeError(
            f"{path} begins with {header!r}, expected image_path,label or image_path,<class>,…"
        )
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise CdulEdgeError(
                f"{path}, row {number} has {len(row)} fields, expected {len(rows[0])}: "
                "quote labels that hold commas"
            )
    key = rows[0].index("image_path")
    names = tuple(name for column, name in enumerate(rows[0]) if column != key)
    paths = tuple(row[key] for row in rows[1:])
    cells = [[cell for column, cell in enumerate(row) if column != key] for row in rows[1:]]
    if names == ("label",):
        return _name_lists(paths, [_split(cell) for (cell,) in cells])
    labels = [[_label(cell, path, number) for cell in row] for number, row in enumerate(cells, 2)]
    return RawTruth(names, paths, _table(labels, paths, names))


def read_coco(path: Path) -> RawTruth:
    """COCO instances: a category is present where any annotation, crowds too, shows it."""
    content = read_json(path)
    try:
        categories = sorted(content["categories"], key=lambda category: category["id"])
        column = {category["id"]: c for c, category in enumerate(categories)}
        row = {image["id"]: n for n, image in enumerate(content["images"])}
        labels = np.zeros((len(row), len(column)), dtype=np.int8)
        for annotation in content["annotations"]:
            labels[row[annotation["image_id"]], column[annotation["category_id"]]] = 1
        names = tuple(str(category["name"]) for category in categories)
        paths = tuple(str(image["file_name"]) for image in content["images"])
        return RawTruth(names, paths, labels)
    except (KeyError, TypeError) as error:
        raise CdulEdgeError(
            f"{path} is not a COCO instances file ({error!r}): expected images, categories and "
            "annotations that refer to them"
        ) from error


def read_voc(folder: Path, difficult: Difficult) -> RawTruth:
    """A folder of VOC XML; classes are the object names found, sorted."""
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise CdulEdgeError(f"{folder} has no .xml files: give the VOC Annotations folder")
    shown: list[dict[str, int]] = []
    paths: list[str] = []
    for file in files:
        try:
            root = ElementTree.parse(file).getroot()
        except ElementTree.ParseError as error:
            raise CdulEdgeError(f"{file} is not valid XML ({error}): copy it again") from error
        paths.append(root.findtext("filename") or file.stem)
        shown.append(_voc_labels(root, _DIFFICULT_LABEL[difficult]))
    names = tuple(sorted({name for labels in shown for name in labels}))
    rows = [[labels.get(name, 0) for name in names] for labels in shown]
    return RawTruth(names, tuple(paths), _table(rows, paths, names), names_present_only=True)


def read_npz(path: Path) -> RawTruth:
    """NPZ with `names` (M,), `classes` (C,) and `labels` (M, C); other arrays do not matter."""
    arrays = read_arrays(path, ("classes", "labels", "names"))
    names, classes, labels = arrays["names"], arrays["classes"], arrays["labels"]
    if labels.dtype.kind not in "biuf" or not np.isin(labels, (-1, 0, 1)).all():
        raise CdulEdgeError(f"{path}: labels must be 1 (present), 0 (absent) or -1 (unknown)")
    return RawTruth(tuple(map(str, classes)), tuple(map(str, names)), labels.astype(np.int8))


def _name_lists(paths: tuple[str, ...], labels: list[list[str]]) -> RawTruth:
    names = tuple(sorted({name for row in labels for name in row}))
    rows = [[int(name in row) for name in names] for row in labels]
    return RawTruth(names, paths, _table(rows, paths, names), names_present_only=True)


def _table(
    rows: Sequence[Sequence[int]], paths: Sequence[str], names: Sequence[str]
) -> npt.NDArray[np.int8]:
    return np.array(rows, dtype=np.int8).reshape(len(paths), len(names))


def _split(cell: str) -> list[str]:
    return [name.strip() for name in cell.split(",") if name.strip()]


def _label(cell: str, path: Path, row: int) -> int:
    known = {"1": 1, "0": 0, "-1": -1, "": -1, "1.0": 1, "0.0": 0, "-1.0": -1}
    if cell.strip() not in known:
        raise CdulEdgeError(
            f"{path}, row {row} holds {cell!r}, expected 1 (present), 0 (absent), -1 or nothing"
        )
    return known[cell.strip()]


def _voc_labels(root: ElementTree.Element, difficult_label: int) -> dict[str, int]:
    labels: dict[str, int] = {}
    for element in root.iter("object"):
        name = (element.findtext("name") or "").strip()
        if (element.findtext("difficult") or "0").strip() != "1":
            labels[name] = 1
        else:
            labels.setdefault(name, difficult_label)
    return labels

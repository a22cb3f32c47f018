"""Truth as COCO instances JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.reading import read_json_text
from cdul_edge_runtime.metrics.truth_formats import OtherFormatError, RawTruth

Id = int | str
Record = Mapping[object, object]


class _Named(NamedTuple):
    """A category or an image: its id, and what the world calls it."""

    id: Id
    name: str


def read_coco(path: Path) -> RawTruth:
    """COCO instances: a category is present where any annotation, crowds too, shows it.

    Ids may be numbers or text; "7" and 7 are the same. Columns follow the categories' ids.

    Raises:
        CdulEdgeError: no instances file, an id twice, or an annotation that refers to nothing.
    """
    content = read_json_text(path)
    categories = _named(path, content, "categories", "name")
    categories.sort(key=lambda category: (isinstance(category.id, str), category.id))
    images = _named(path, content, "images", "file_name", or_url="coco_url")
    columns = {category.id: column for column, category in enumerate(categories)}
    rows = {image.id: row for row, image in enumerate(images)}
    labels = np.zeros((len(images), len(categories)), dtype=np.int8)
    for number, annotation in enumerate(_records(path, content, "annotations")):
        where = f"{path}, annotation {number + 1}"
        row = _referred(where, annotation, "image_id", rows)
        labels[row, _referred(where, annotation, "category_id", columns)] = 1
    return RawTruth(
        tuple(category.name for category in categories),
        tuple(image.name for image in images),
        labels,
    )


def _records(path: Path, content: object, key: str) -> Sequence[Record]:
    records = content.get(key) if isinstance(content, dict) else None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise OtherFormatError(
            f"{path} is not a COCO instances file: expected a list {key!r} beside the others of "
            "images, categories and annotations"
        )
    return records


def _named(path: Path, content: object, key: str, name_key: str, or_url: str = "") -> list[_Named]:
    found: dict[Id, _Named] = {}
    for number, record in enumerate(_records(path, content, key), start=1):
        name, where = record.get(name_key), f"{path}, entry {number} of {key}"
        url = record.get(or_url)
        if name is None and isinstance(url, str):  # LVIS
            name = "/".join(url.split("/")[-2:])
        if not isinstance(name, str) or not name.strip():
            raise CdulEdgeError(f"{where} has no {name_key}: expected text, not {name!r:.40}")
        identity = _id(where, record, "id")
        if identity in found:
            raise CdulEdgeError(
                f"{where} has the id {identity!r} again ({found[identity].name!r} and {name!r}): "
                "give every entry its own id"
            )
        found[identity] = _Named(identity, name)
    return list(found.values())


def _id(where: str, record: Record, key: str) -> Id:
    value = record.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.strip():
        text = value.strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise CdulEdgeError(f"{where} has {key} {value!r:.40}, expected a whole number or text")


def _referred(where: str, annotation: Record, key: str, known: Mapping[Id, int]) -> int:
    identity = _id(where, annotation, key)
    if identity not in known:
        raise CdulEdgeError(
            f"{where} refers to {key} {identity!r}, which the file does not have: "
            "take the annotation out, or add what it refers to"
        )
    return known[identity]

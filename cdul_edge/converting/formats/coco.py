"""COCO's JSON: images, categories, and annotations of whole images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cdul_edge.converting.formats.format import Format, Imported, Notes, NotThisFormatError, Target
from cdul_edge.converting.formats.json_lists import to_json, write_list
from cdul_edge.converting.labeled_set import LabeledSet
from cdul_edge.version import __version__
from cdul_edge_runtime.bundle.threshold_values import thresholds_to_json
from cdul_edge_runtime.host.ownership import PROGRAM, FileKind
from cdul_edge_runtime.metrics.truth_coco import read_coco

_PROGRAM = f'"program": "{PROGRAM}"'


def _write(found: LabeledSet, target: Target) -> Notes:
    info: dict[str, object] = {"program": PROGRAM, "version": __version__, "labels": found.what}
    if found.thresholds is not None:
        info["thresholds"] = thresholds_to_json(found.thresholds)
    categories = (
        to_json({"id": number, "name": name}) for number, name in enumerate(found.classes, 1)
    )
    with target.place.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f'{{"info": {to_json(info)},\n"categories": ')
        write_list(file, categories)
        file.write(',\n"images": ')
        write_list(file, _images(found))
        file.write(',\n"annotations": ')
        write_list(file, _annotations(found))
        file.write("}\n")
    return Notes()


def _images(found: LabeledSet) -> Iterator[str]:
    paths = (path for batch in found for path in batch.paths)
    for number, path in enumerate(paths, 1):
        yield to_json({"id": number, "file_name": path})


def _annotations(found: LabeledSet) -> Iterator[str]:
    number, first = 0, 1
    for batch in found:
        texts = None if found.what == "labels" else batch.score_texts()  # people are sure
        for row, column in np.argwhere(batch.labels == 1).tolist():
            number += 1
            score = "" if texts is None else f', "score": {texts[row][column]}'
            yield (
                f'{{"id": {number}, "image_id": {first + row}, "category_id": {column + 1}{score}}}'
            )
        first += len(batch.paths)


def _read(path: Path) -> Imported:
    if path.suffix.lower() != ".json":
        raise NotThisFormatError("its name does not end in .json")
    return Imported(read_coco(path))


COCO = Format(
    name="coco",
    title="COCO",
    write=_write,
    read=_read,
    kind=FileKind(
        "COCO file", lambda beginning: _PROGRAM.encode() in beginning.partition(b"\n")[0]
    ),
)

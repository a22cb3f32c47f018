"""FiftyOne's dataset on disk, which it loads into its database and exports again.

Written is `fo.types.LegacyFiftyOneDataset`, whose files are plain JSON; read is that and
`fo.types.FiftyOneDataset`, whose samples are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from cdul_edge.converting.formats.format import (
    Format,
    Imported,
    Notes,
    NotThisFormatError,
    Target,
    folder_of,
)
from cdul_edge.converting.formats.json_lists import to_json, write_list
from cdul_edge.converting.formats.name_lists import table_of
from cdul_edge.converting.labeled_set import LabeledBatch, LabeledSet
from cdul_edge_runtime.bundle.classes import name_some
from cdul_edge_runtime.bundle.threshold_values import thresholds_to_json
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import write_json
from cdul_edge_runtime.host.json_record import RecordError, parse_record
from cdul_edge_runtime.host.reading import read_json_text
from cdul_edge_runtime.metrics.truth_formats import RawTruth

_SAMPLES, _METADATA = "samples.json", "metadata.json"
_FIELDS = {"pseudo-labels": "pseudo_labels", "predictions": "predictions", "labels": "ground_truth"}
_TRUTH = _FIELDS["labels"]


@dataclass(frozen=True)
class _Classification:
    label: str


@dataclass(frozen=True)
class _Classifications:
    classifications: tuple[_Classification, ...]


@dataclass(frozen=True)
class _Sample:
    """One picture, as FiftyOne exports it; `unknown` are classes of which nobody said anything."""

    filepath: str
    tags: tuple[str, ...] | None = None
    ground_truth: _Classifications | _Classification | None = None
    unknown: tuple[str, ...] | None = None


@dataclass(frozen=True)
class _Samples:
    samples: tuple[_Sample, ...]


_Classes: TypeAlias = tuple[str, ...] | Mapping[str, tuple[str, ...] | None] | None
"""Of the whole dataset, or of each of its fields."""


@dataclass(frozen=True)
class _Info:
    """As we write it; FiftyOne's database turns `classes` into `default_classes`."""

    classes: _Classes = ()
    default_classes: tuple[str, ...] | None = ()


@dataclass(frozen=True)
class _Metadata:
    """Beside `info`, what only `FiftyOneDataset` has."""

    info: _Info | None = None
    classes: _Classes = ()
    default_classes: tuple[str, ...] | None = ()

    def known_classes(self) -> tuple[str, ...]:
        """The classes that labels of people are about; empty where nothing says them."""
        info = self.info or _Info()
        for given in (self.classes, info.classes):
            of_truth = given.get(_TRUTH) if isinstance(given, Mapping) else given
            if of_truth:
                return of_truth
        return self.default_classes or info.default_classes or ()


def _write(found: LabeledSet, target: Target) -> Notes:
    info: dict[str, object] = {"classes": list(found.classes)}
    if found.thresholds is not None:
        # Of another name in every field, as a dataset into which several are merged has one `info`.
        info[f"{_field_of_scores(found)}_thresholds"] = thresholds_to_json(found.thresholds)
    metadata = {"media_type": "image", "info": info}
    write_json(target.place / _METADATA, metadata)
    with (target.place / _SAMPLES).open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"samples": ')
        write_list(file, _samples(found))
        file.write("}\n")
    return Notes()


def _field_of_scores(found: LabeledSet) -> str:
    """What the scores say stands beside labels of people, not in their place."""
    return _FIELDS["pseudo-labels" if found.what == "labels" else found.what]


def _samples(found: LabeledSet) -> Iterator[str]:
    """People's labels stand in a field of their own, beside those that the scores make."""
    for batch in found:
        fields: dict[str, list[object]] = {}
        if found.what == "labels":
            plain = replace(batch, scores=None)
            fields[_TRUTH] = list(_classifications(found, plain))
            fields["unknown"] = list(batch.names(found.classes, -1))
        if batch.scores is not None and found.thresholds is not None:
            labels = (batch.scores >= found.thresholds).astype(np.int8)
            fields[_field_of_scores(found)] = list(
                _classifications(found, replace(batch, labels=labels))
            )
        for row, path in enumerate(batch.paths):
            sample: dict[str, object] = {
                "filepath": found.place(path),
                "tags": [],
                "metadata": None,
                "_media_type": "image",
            }
            yield to_json({**sample, **{name: values[row] for name, values in fields.items()}})


def _classifications(found: LabeledSet, batch: LabeledBatch) -> Iterator[dict[str, object]]:
    """Of each picture, its labels, with their scores as confidences where there are any."""
    names = found.classes.names
    texts = batch.score_texts()
    for row, labels in enumerate(batch.labels.tolist()):
        chosen = [column for column, label in enumerate(labels) if label == 1]
        each = [
            {
                "_cls": "Classification",
                "label": names[column],
                **({} if texts is None else {"confidence": float(texts[row][column])}),
            }
            for column in chosen
        ]
        yield {"_cls": "Classifications", "classifications": each}


def _read(path: Path) -> Imported:
    if not (path / _SAMPLES).is_file():
        raise NotThisFormatError(f"expected a folder with {_SAMPLES}")
    try:
        samples = parse_record(_Samples, read_json_text(path / _SAMPLES)).samples
        content = read_json_text(path / _METADATA) if (path / _METADATA).is_file() else {}
        classes = parse_record(_Metadata, content).known_classes()
    except RecordError as error:
        raise NotThisFormatError(
            f"no dataset of images with Classifications in the field {_TRUTH}: {error}"
        ) from error
    truth = [sample for sample in samples if sample.ground_truth is not None]
    if truth:
        return _of_truth(truth, len(samples), classes)
    return _of_tags(samples, path, classes)


def _of_truth(samples: list[_Sample], count: int, classes: tuple[str, ...]) -> Imported:
    left = count - len(samples)
    notes = (f"{left} sample(s) without {_TRUTH} are left out",) if left else ()
    table = table_of(
        [sample.filepath for sample in samples],
        [_labels(sample) for sample in samples],
        classes,
        [sample.unknown or () for sample in samples],
    )
    return Imported(table, closed=True, notes=notes)


def _labels(sample: _Sample) -> list[str]:
    given = sample.ground_truth
    each = given.classifications if isinstance(given, _Classifications) else (given,)
    return [one.label for one in each if one is not None]


def _of_tags(samples: tuple[_Sample, ...], path: Path, classes: tuple[str, ...]) -> Imported:
    """`dog` for a class that is there, `-dog` for one that is not; the others are unknown.

    Where the dataset names its classes, as ours do, tags of other kinds ("train") do not matter.
    """
    ours = {sign + name for name in classes for sign in ("", "-")}
    tags = [[tag for tag in one.tags or () if tag in ours or not classes] for one in samples]
    named = [(one.filepath, some) for one, some in zip(samples, tags, strict=True) if some]
    if not named:
        raise CdulEdgeError(
            f"{path} has neither a field {_TRUTH} nor tags of classes: give the samples one of the "
            "two in FiftyOne, and export them again"
        )
    others = sorted({tag for one in samples for tag in one.tags or ()} - ours) if classes else []
    notes = [f"no sample has {_TRUTH}: read are the tags of {len(named)} sample(s)"]
    if others:
        notes.append(f"tags that are no classes are left out: {name_some(others, 5)}")
    table = table_of([place for place, _ in named], [some for _, some in named])
    return Imported(RawTruth(*table[:3], names_present_only=True), notes=tuple(notes))


FIFTYONE = Format(
    name="fiftyone",
    title="FiftyOne",
    write=_write,
    read=_read,
    kind=folder_of("fiftyone", "FiftyOne", _SAMPLES, _METADATA),
    says_unknown=True,
    by_place=True,
)

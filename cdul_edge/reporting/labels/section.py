"""Labels as a section: pictures that are surest, in doubt, and contested, and what they come to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from cdul_edge.labels.label_stream import LabelStream, iterate_labels
from cdul_edge.labels.manifest import LabelsManifest, read_manifest
from cdul_edge.page.charts import draw_heat_map, draw_histogram, to_inline_svg
from cdul_edge.reporting.asked import Asked
from cdul_edge.reporting.inputs import Input
from cdul_edge.reporting.labels.contested import Contest, Contested, find_contested
from cdul_edge.reporting.labels.facts import (
    LabelClass,
    LabelsFacts,
    Pair,
    ShownClass,
    ShownPicture,
    Unreadable,
)
from cdul_edge.reporting.labels.statistics import (
    BINS,
    DOUBT,
    Named,
    Statistics,
    count_labels,
    name_rows,
)
from cdul_edge.reporting.section import Section
from cdul_edge.reporting.stages.titles import title_of
from cdul_edge_runtime.bundle.threshold_values import thresholds_to_json

IN_FULL = 80  # so many classes have a chart and pictures
CHOSEN = 40  # of more classes
_PICTURES = 720  # of the whole section, at about 4 kB
_MOST, _FEWEST = 8, 2  # of a class, and of each kind
_PAIRS = 12
_NEARLY_ALL = 0.9
_LISTED = 20


@dataclass(frozen=True)
class _Read:
    """All that was read."""

    stream: LabelStream
    manifest: LabelsManifest | None
    counted: Statistics
    shown: tuple[int, ...]
    examples: int
    contested: Contested
    named: Mapping[int, Named]


def read_labels(one: Input, asked: Asked) -> Section:
    """The section of a labels folder, or of a file of pseudo-labels.

    Raises:
        LabelsError: damaged labels, or a damaged similarity store.
    """
    read = _read(one.path, asked)
    facts = _facts(read, asked)
    return Section(
        key=one.key,
        title=title_of(one, asked),
        template="report/labels.html",
        source=one.path,
        facts=facts,
        charts=_charts(one, facts),
    )


def _read(path: Path, asked: Asked) -> _Read:
    stream = iterate_labels(path)
    counted = count_labels(stream, _MOST, asked.console)
    shown = _choose_shown(stream, counted, asked.class_names)
    examples = max(_FEWEST, min(_MOST, _PICTURES // (3 * max(1, len(shown)))))
    contested = find_contested(path, shown, examples, asked.console)
    rows = list(counted.empty)
    for c in shown:
        rows += [row for row, _ in counted.surest.of(c)[:examples]]
        rows += [row for row, _ in counted.doubtful.of(c)[:examples]]
    named = name_rows(stream, rows, contested.paths)
    manifest = read_manifest(path) if path.is_dir() else None
    return _Read(stream, manifest, counted, shown, examples, contested, named)


def _choose_shown(
    stream: LabelStream, counted: Statistics, wanted: Sequence[str]
) -> tuple[int, ...]:
    """All classes, those asked for, or those with the most pictures in doubt."""
    names = list(stream.classes)
    if wanted:
        return tuple(i for i, name in enumerate(names) if name in wanted)
    if len(names) <= IN_FULL:
        return tuple(range(len(names)))
    most = np.argsort(-counted.doubts, kind="stable")[:CHOSEN]
    return tuple(sorted(most.tolist()))


def _facts(read: _Read, asked: Asked) -> LabelsFacts:
    counted, manifest = read.counted, read.manifest
    classes = _classes(read)
    by_count = counted.by_count.tolist()
    while len(by_count) > 1 and not by_count[-1]:
        by_count.pop()
    labels, pictures = int(counted.above.sum()), counted.pictures
    shown = _Pictures(read, asked)
    in_full = tuple(shown.of(place, c) for place, c in enumerate(read.shown))
    empty = tuple(shown.show(read.named[row].path, None) for row in counted.empty)
    return LabelsFacts(
        pictures=pictures,
        class_count=len(classes),
        labels=labels,
        per_picture=labels / pictures,
        without=by_count[0],
        without_share=by_count[0] / pictures,
        unreadable=manifest.counts.skipped if manifest and manifest.counts else None,
        strategy=read.stream.strategy,
        labels_per_picture=tuple(by_count),
        classes=classes,
        shown=in_full,
        shown_why=_shown_why(len(classes), asked.class_names),
        together=_together(counted) if len(classes) <= IN_FULL else (),
        pairs=_pairs(counted, list(read.stream.classes)),
        nobody=tuple(one.name for one in classes if one.above == 0),
        nearly_all=tuple(one.name for one in classes if one.share >= _NEARLY_ALL),
        empty=empty,
        unreadables=tuple(
            Unreadable(one.path, one.reason) for one in (manifest.skipped if manifest else ())
        )[:_LISTED],
        contested_why=read.contested.why_none,
        root=str(read.stream.root),
        asked_for=shown.asked_for,
        found=shown.found,
    )


class _Pictures:
    """Shows pictures, and counts how many could be found."""

    def __init__(self, read: _Read, asked: Asked) -> None:
        self._read, self._asked = read, asked
        self._rows = {named.path: named for named in read.named.values()}
        self.asked_for = self.found = 0

    def of(self, place: int, index: int) -> ShownClass:
        """The examples of a class, which is shown as the `place`th."""
        read, most = self._read, self._read.examples
        surest = [row for row, _ in read.counted.surest.of(index)[:most]]
        nearest = read.counted.doubtful.of(index)[:most]
        doubtful = [row for row, nearness in nearest if -nearness < DOUBT]
        return ShownClass(
            index=index,
            surest=tuple(self._row(row, index) for row in surest),
            doubtful=tuple(self._row(row, index) for row in doubtful),
            contested=tuple(self._contest(one, index) for one in read.contested.by_class[place]),
        )

    def show(self, path: str, score: float | None, contest: Contest | None = None) -> ShownPicture:
        """A picture, embedded where it can be found."""
        picture = self._asked.picture(path, self._read.stream.root)
        self.asked_for += 1
        self.found += picture is not None
        if contest is None:
            return ShownPicture(path, picture, score)
        return ShownPicture(path, picture, score, contest.whole, contest.snippets)

    def _row(self, row: int, index: int) -> ShownPicture:
        named = self._read.named[row]
        return self.show(named.path, float(named.scores[index]))

    def _contest(self, one: Contest, index: int) -> ShownPicture:
        named = self._rows.get(one.path)
        score = None if named is None else float(named.scores[index])
        return self.show(one.path, score, one)


def _classes(read: _Read) -> tuple[LabelClass, ...]:
    counted, pictures = read.counted, read.counted.pictures
    prevalence = _prevalence(read.manifest)
    thresholds = thresholds_to_json(read.stream.thresholds)
    return tuple(
        LabelClass(
            name=name,
            threshold=thresholds[c],
            above=int(counted.above[c]),
            share=int(counted.above[c]) / pictures,
            prevalence=prevalence.get(name),
            mean_score=float(counted.sums[c]) / pictures,
            doubtful=None if thresholds[c] is None else int(counted.doubts[c]) / pictures,
            histogram=tuple(counted.histogram[c].tolist()),
        )
        for c, name in enumerate(read.stream.classes)
    )


def _prevalence(manifest: LabelsManifest | None) -> Mapping[str, float]:
    """What `evidence` estimated of the whole set."""
    splits = (manifest.pseudo_labels or {}).get("splits") if manifest else None
    found = {}
    for name, split in splits.items() if isinstance(splits, Mapping) else ():
        value = split.get("prevalence") if isinstance(split, Mapping) else None
        if isinstance(value, float):
            found[str(name)] = value
    return found


def _shown_why(classes: int, wanted: Sequence[str]) -> str:
    if wanted:
        return "The classes that were asked for with --class."
    if classes <= IN_FULL:
        return "All classes."
    return f"The {CHOSEN} classes with the most images in doubt; --class shows others."


def _together(counted: Statistics) -> tuple[tuple[float | None, ...], ...]:
    above = counted.above.tolist()
    return tuple(
        tuple(
            None if row == column or not above[row] else both / above[row]
            for column, both in enumerate(line)
        )
        for row, line in enumerate(counted.together.tolist())
    )


def _pairs(counted: Statistics, names: Sequence[str]) -> tuple[Pair, ...]:
    """The pairs that most pictures show; of equal ones the earlier classes."""
    upper = np.triu(counted.together, 1)
    first = np.argsort(-upper, axis=None, kind="stable")[:_PAIRS]
    found = []
    for row, column in zip(*np.unravel_index(first, upper.shape), strict=True):
        both = int(upper[row, column])
        if both:
            shares = (both / int(counted.above[i]) for i in (row, column))
            found.append(Pair(names[row], names[column], both, *shares))
    return tuple(found)


def _charts(one: Input, facts: LabelsFacts) -> dict[str, Markup]:
    edges = [bin_ / BINS for bin_ in range(BINS + 1)]
    found = {}
    for shown in facts.shown:
        about = facts.classes[shown.index]
        key = f"{one.key}-histogram-{shown.index}"
        threshold = math.inf if about.threshold is None else about.threshold
        never = "" if about.threshold is None else f", threshold {about.threshold:.3f}"
        found[str(shown.index)] = to_inline_svg(
            draw_histogram(about.histogram, edges, threshold, scale="log"),
            key=key,
            title=f"Scores of {about.name}",
            description=f"Images by score{never}: {about.above} reach it.",
        )
    if facts.together and facts.pairs:
        names = [about.name for about in facts.classes]
        percent = [[None if v is None else 100 * v for v in row] for row in facts.together]
        found["together"] = to_inline_svg(
            draw_heat_map(percent, names, names, unit="%"),
            key=f"{one.key}-together",
            title="Classes that occur together",
            description="Of the images of each row's class, the percentage that show the column's.",
        )
    return found

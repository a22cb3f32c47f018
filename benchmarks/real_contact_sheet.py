"""A contact sheet of held-out photographs with what a bundle says of them, mistakes included.

Photographs are drawn at random (`--seed`), in turn one that shows each of the reported classes.
The sheet holds other people's photographs: keep it out of the repository.

    python -m benchmarks.real_contact_sheet --bundle BUNDLE [--out FILE] [--data DIR]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.photographs import DATA, Photographs, reported_columns
from cdul_edge.cli.output.complaints import warnings_in_one_line
from cdul_edge.demo.contact_sheet import Sample, draw_contact_sheet
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError

MOST = 20
OUT = Path(__file__).parents[1] / "build" / "real_contact_sheet.png"  # git ignores that folder


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, required=True, help="made by `export`")
    parser.add_argument("--out", type=Path, default=OUT, help="PNG file to write")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with heldout/")
    parser.add_argument("--count", type=int, default=MOST, choices=range(1, MOST + 1),
                        metavar="N", help=f"photographs, 1 to {MOST}")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="draws others")
    options = parser.parse_args(arguments)
    try:
        photographs = Photographs(options.data)
        with warnings_in_one_line(), Classifier.load(options.bundle) as classifier:
            samples = draw_samples(classifier, photographs, options.count, options.seed)
    except CdulEdgeError as error:
        print(f"real_contact_sheet: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    options.out.parent.mkdir(parents=True, exist_ok=True)
    draw_contact_sheet(samples, options.out)
    print(options.out)


def draw_samples(
    classifier: Classifier, photographs: Photographs, count: int, seed: int
) -> list[Sample]:
    """Held-out photographs with their predicted and true classes."""
    classes = classifier.classes
    pictures, truth = photographs.heldout_truth(classes)
    samples = []
    for row in choose_rows(truth[:, reported_columns(classes)], count, seed):
        found = classifier.predict(pictures.absolute(row))
        scores = dict(zip(classes, found.scores.tolist(), strict=True))
        there = frozenset(
            name for name, label in zip(classes, truth[row], strict=True) if label == 1
        )
        named = {name: scores[name] for name in found.labels}
        samples.append(Sample(pictures.absolute(row), named, there))
    return samples


def choose_rows(truth: npt.NDArray[np.int8], count: int, seed: int) -> list[int]:
    """Rows in random order, in turn one in which each column is positive, none twice.

    Args:
        truth: (N, C) int8.
    """
    shuffled = np.random.default_rng(seed).permutation(len(truth)).tolist()
    chosen: list[int] = []
    while len(chosen) < count:
        before = len(chosen)
        for column in range(truth.shape[1]):
            fitting = (r for r in shuffled if truth[r, column] == 1 and r not in chosen)
            chosen += [row for row in [next(fitting, None)] if row is not None]
        if len(chosen) == before:
            break
    return chosen[:count]


if __name__ == "__main__":
    main()

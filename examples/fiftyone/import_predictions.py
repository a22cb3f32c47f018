"""Look at predictions in FiftyOne: which pictures got a label, and how sure the network was.

    cdul-edge predict bundle photos --out predictions.jsonl
    pip install fiftyone
    python import_predictions.py predictions.jsonl [DATASET [FIELD]]
    fiftyone app launch DATASET

The labels of each picture become `fiftyone.Classifications` with their scores as confidence, in
FIELD ("predictions") of DATASET ("cdul-edge"). Pictures that the dataset has already are not added
again: another bundle's predictions go beside them, into another FIELD.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Predicted:
    """One line of `cdul-edge predict`: a picture, and its labels with their scores, highest first.

    `path` is absolute; in the file it is as `predict` was given it, from the folder of then.
    """

    path: str
    labels: tuple[tuple[str, float], ...]


def read_predictions(file: Path) -> Iterator[Predicted]:
    """The lines of the file; one that `predict` did not write ends the program with its number."""
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                labels = tuple((label, float(row["scores"][label])) for label in row["labels"])
                path = str(Path(row["path"]).resolve())
            except (KeyError, TypeError, ValueError) as error:
                sys.exit(
                    f"{file}, line {number}: {error!r}; expected a line of `cdul-edge predict`, "
                    "without --top and --format csv"
                )
            yield Predicted(path, labels)


def import_predictions(file: Path, name: str, field: str) -> int:
    """Put them into the dataset, which is made where there is none; returns how many there were."""
    import fiftyone as fo

    predictions = list(read_predictions(file))
    missing = next((one.path for one in predictions if not Path(one.path).is_file()), None)
    if missing is not None:
        sys.exit(f"{missing} is not there: run this in the folder where `cdul-edge predict` ran")
    dataset = fo.load_dataset(name) if fo.dataset_exists(name) else fo.Dataset(name)
    dataset.persistent = True
    known = set(dataset.values("filepath"))
    dataset.add_samples(
        [fo.Sample(one.path) for one in predictions if one.path not in known], progress=False
    )
    dataset.set_values(
        field,
        {
            one.path: fo.Classifications(
                classifications=[
                    fo.Classification(label=label, confidence=score) for label, score in one.labels
                ]
            )
            for one in predictions
        },
        key_field="filepath",
    )
    return len(predictions)


def main() -> None:
    """Import the file that the command line names."""
    if not 2 <= len(sys.argv) <= 4:
        sys.exit("usage: python import_predictions.py PREDICTIONS [DATASET [FIELD]]")
    file, name, field = (*sys.argv[1:], *("", "cdul-edge", "predictions")[len(sys.argv) - 1 :])
    if not Path(file).is_file():
        sys.exit(f"{file} is not there: give the file that `cdul-edge predict --out` wrote")
    count = import_predictions(Path(file), name, field)
    print(f"{count} pictures in {name}: fiftyone app launch {name}")


if __name__ == "__main__":
    main()

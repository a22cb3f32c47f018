"""What one folder or file is, told by its marker or its first line, and whether it is finished."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Literal

from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.reading import refuse_special

InputKind = Literal[
    "labels", "run", "bundle", "verify", "bench", "evaluation", "predictions", "watch"
]

CONFIG = "config.json"
MANIFEST = "manifest.json"
PSEUDO_LABELS = "pseudo_labels.parquet"
_FIRST_LINE = 64 << 20  # bytes; predictions of 10,000 classes have 400 kB
_TRUTH = ("0", "1", "-1", "")  # cells of a table of labels
# What `evaluate` writes with --truth, with --sampled, and without either.
_EVALUATIONS = {"ap", "sheet", "estimate"}
# As the documentation names the files, with what people put behind it: predictions_heldout.jsonl.
_USUAL_NAMES = ("predictions", "watch", "verify", "bench", "evaluation", "pseudo_labels")
_OWN_PAGE = {
    "study.json": "is a study, which has a page of its own: open report.html in it",
    "index.json": "is a folder of `explain`, which has a page of its own: open index.html in it",
}
_JSON_OF_FOLDERS = {
    "train": "is a file of a run: name its folder",
    "demo": "is the result of a demo: name its folder",
    "report": "holds the figures of a report: name what that was made from",
    "calibrate": "is a file of a bundle: name its folder",
    "calibration": "is a file of a bundle: name its folder",
    "build": "is a file of a bundle: name its folder",
}


class NotShownError(CdulEdgeError):
    """Something that no section shows, and that is not half of one either."""


def recognize_folder(folder: Path) -> InputKind | None:
    """What a folder is; None for one that may hold several things.

    Raises:
        NotShownError: a folder of this program that has no section.
        CdulEdgeError: one that is not finished, is damaged, or is of another format.
    """
    for name, why in _OWN_PAGE.items():
        if (folder / name).is_file() and _names_program(folder / name):
            raise NotShownError(f"{folder} {why}")
    if (folder / MANIFEST).is_file():
        return _recognize_manifest(folder)
    if (folder / CONFIG).is_file() and _stage(folder / CONFIG) == "train":
        _check_run(folder)
        return "run"
    if (
        folder.suffix == ".parquet"
        or (folder / PSEUDO_LABELS).exists()
        or (folder / "_common_metadata").is_file()
    ):
        _check_labels(folder)
        return "labels"
    return None


def recognize_file(file: Path) -> InputKind:
    """What a file is.

    Raises:
        NotShownError: one that has no section.
        CdulEdgeError: one that is empty, damaged, or of another format.
    """
    refuse_special(file)
    recognize = _FILES.get(file.suffix.lower())
    if recognize is None:
        raise _unknown(file)
    if file.stat().st_size == 0:
        raise CdulEdgeError(f"{file} is empty: what writes it was interrupted, or has not begun")
    return recognize(file)


def _recognize_manifest(folder: Path) -> InputKind:
    content = _read_object(folder / MANIFEST)
    if content.get("kind") == "labels":
        _check_labels(folder)
        return "labels"
    if content.get("program") != "cdul-edge":
        raise _unknown(folder)
    if "graph" not in content:
        raise NotShownError(f"{folder} was written for another program: name the bundle")
    from cdul_edge_runtime.bundle.bundle import Bundle

    Bundle.load(folder)
    return "bundle"


def _check_labels(where: Path) -> None:
    with extra_imports("train", f"reading the labels {where}"):
        from cdul_edge.labels.label_stream import iterate_labels
    if iterate_labels(where).count == 0:
        raise CdulEdgeError(f"{where} holds no labels: no picture could be read; label again")


def _check_run(folder: Path) -> None:
    with extra_imports("train", f"reading the run {folder}"):
        import cdul_edge.labels.label_stream  # noqa: F401  the labels that the network refined
    from cdul_edge.training.run_config import RunConfig
    from cdul_edge.training.summary import METRICS, SUMMARY, read_summary

    RunConfig.read(folder)
    if not (folder / SUMMARY).is_file():
        raise CdulEdgeError(
            f"the run {folder} is not finished: the same `cdul-edge train` command resumes it"
        )
    read_summary(folder)
    for name in (METRICS, "pseudo_labels_refined.parquet"):
        if not (folder / name).is_file():
            raise CdulEdgeError(f"{folder / name} is missing: copy the run again, or train again")


def _recognize_json(file: Path) -> InputKind:
    content = _read_object(file)
    if content.get("program") != "cdul-edge":
        raise _not_ours(file, f"{file} is JSON of another program: expected JSON of cdul-edge")
    stage = content.get("stage")
    if stage == "verify" or stage == "bench":
        _check_format(file, stage, content.get("format"))
        return "verify" if stage == "verify" else "bench"
    if stage is None and "scores" in content and _EVALUATIONS & content.keys():
        return "evaluation"
    if file.name == MANIFEST:
        raise NotShownError(f"{file} is a file of a folder: name the folder")
    why = _JSON_OF_FOLDERS.get(
        str(stage), "is JSON of cdul-edge that no section shows: leave it out"
    )
    raise NotShownError(f"{file} {why}")


def _check_format(file: Path, stage: str, found: object) -> None:
    if stage == "verify":
        from cdul_edge_runtime.verify.verification import FORMAT
    else:
        from cdul_edge_runtime.bench.benchmark import FORMAT
    if found != FORMAT:
        raise CdulEdgeError(
            f"{file} has format {found}, this program reads {FORMAT}: run `cdul-edge {stage}` again"
        )


def _recognize_lines(file: Path) -> InputKind:
    line, whole = _first_line(file)
    try:
        first = json.loads(line)
    except (ValueError, RecursionError) as error:
        if whole:  # the name says that each line is JSON: it is damaged, whoever wrote it
            raise CdulEdgeError(
                f"{file}, line 1 is not JSON ({error}): it was truncated or edited; make it again"
            ) from error
        raise CdulEdgeError(f"{file} holds no whole line yet: it is still written") from error
    if isinstance(first, dict):
        if "path" in first and "scores" in first:
            return "predictions"
        if "stream" in first:
            return "watch"
        if "epoch" in first:
            raise NotShownError(f"{file} is a file of a run: name its folder")
    raise _not_ours(file, f"{file} holds neither predictions nor rows of watch: name one that does")


def _recognize_table(file: Path) -> InputKind:
    header, _ = _first_line(file)
    if not header.removeprefix(b"\xef\xbb\xbf").startswith(b"image_path,"):
        raise _not_ours(file, f"{file} is no table of predictions: expected image_path,<class>,…")
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as opened:
        rows = csv.reader(opened)
        row = next((row for row in islice(rows, 1, None) if row), None)
    if row is None:
        raise CdulEdgeError(f"{file} has a header and no row: it holds no predictions")
    if all(cell.strip() in _TRUTH for cell in row[1:]):
        raise NotShownError(
            f"{file} holds labels and no scores, as truth does: give it to `cdul-edge evaluate`"
        )
    return "predictions"


def _recognize_parquet(file: Path) -> InputKind:
    with extra_imports("train", f"reading {file}"):
        from cdul_edge.labels.parquet_files import read_facts, read_schema
    schema = read_schema(file)
    if not read_facts(schema, file) or "scores" not in schema.names:
        raise _not_ours(file, f"{file} holds no pseudo-labels of cdul-edge")
    _check_labels(file)
    return "labels"


_FILES: Mapping[str, Callable[[Path], InputKind]] = {
    ".json": _recognize_json,
    ".jsonl": _recognize_lines,
    ".csv": _recognize_table,
    ".parquet": _recognize_parquet,
}


def _first_line(file: Path) -> tuple[bytes, bool]:
    """The first line of a file, and whether a line break ends it."""
    with file.open("rb") as opened:
        line = opened.readline(_FIRST_LINE)
    return line, line.endswith(b"\n")


def _read_object(file: Path) -> Mapping[str, object]:
    content: object = read_json(file)
    if not isinstance(content, dict):
        raise _not_ours(file, f"{file} is JSON of another program: expected JSON of cdul-edge")
    return content


def _stage(file: Path) -> object:
    content: object = read_json(file)
    return content.get("stage") if isinstance(content, dict) else None


def _names_program(file: Path) -> bool:
    content: object = read_json(file)
    return isinstance(content, dict) and content.get("program") == "cdul-edge"


def _not_ours(file: Path, reason: str) -> CdulEdgeError:
    """Under a usual name, something else is more likely a damaged file than another program's."""
    usual = file.stem.lower().startswith(_USUAL_NAMES)
    return CdulEdgeError(reason) if usual else NotShownError(reason)


def _unknown(path: Path) -> NotShownError:
    return NotShownError(
        f"{path} is nothing that a report shows: expected labels, a run, a bundle, JSON of verify, "
        "bench or evaluate, predictions (.jsonl, .csv), or rows of watch"
    )

"""`cdul-edge study`: the order of the steps.

study.json                     what every cell depends on
data/                          worlds, similarities, labels, truth and decoded pictures: made once
runs/STRATEGY/METHOD/LEVEL/    a training run a seed
cells/STRATEGY/METHOD/LEVEL/   its result, which marks the cell as finished
results.json, table.md, ...    the report
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cdul_edge.study.cell_run import DONE, FAILED, CellRun, Outcome, failed, run_cell
from cdul_edge.study.cells import Cell
from cdul_edge.study.datasets import Dataset, prepare_datasets
from cdul_edge.study.labels import Labels, make_labels
from cdul_edge.study.settings import StudySettings, settle_folder
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.methods import resolve_settings
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.machine import usable_cores
from cdul_edge_runtime.host.workers import Death, run_in_workers

Say = Callable[[str], None]

LOCK = ".lock"

_MEND = "choose another --out, or remove that file"


def run_study(settings: StudySettings, say: Say) -> list[Outcome]:
    """Run every cell that is not finished yet.

    A cell that fails is an outcome like the others, and is tried again by the next call.

    Args:
        settings: what to compare, and where.
        say: one line to the user.

    Returns:
        An outcome a cell, in the order of the cells.

    Raises:
        CdulEdgeError: data that cannot be read, finished cells of other settings, or another
            process at work in the folder.
    """
    settle_folder(settings)
    with _only_writer(settings.out):
        return _run_cells(settings, say)


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Hold the folder: two processes would train in the same run folders."""
    lock = FileLock(folder / LOCK)  # the system frees it when the process ends, however it ends
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise CdulEdgeError(
            f"another process is at work on the study {folder}: wait for it, or stop it"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _run_cells(settings: StudySettings, say: Say) -> list[Outcome]:
    say("preparing pictures, truth and labels")
    datasets = prepare_datasets(settings)
    labels = _label(settings, datasets, say)
    outcomes: dict[Cell, Outcome] = {}
    runs: list[CellRun] = []
    for cell in settings.cells:
        dataset = datasets[cell.seed]
        planned = _plan(settings, cell, dataset, labels[dataset.folder, cell.strategy])
        if isinstance(planned, CellRun):
            runs.append(planned)
        else:
            outcomes[cell] = planned
            if planned["status"] == FAILED:
                say(f"failed: {cell.title}: {planned['reason']}")
    finished = sum(outcome["status"] == DONE for outcome in outcomes.values())
    if finished:
        say(f"{finished} of {len(settings.cells)} cells are there already")
    with closing(run_in_workers(run_cell, runs, workers=settings.jobs)) as answers:
        for run, answer in answers:
            outcome = failed(run.cell, str(answer)) if isinstance(answer, Death) else answer
            outcomes[run.cell] = outcome
            say(f"[{len(outcomes)}/{len(settings.cells)}] {_tell(run.cell, outcome)}")
    return [outcomes[cell] for cell in settings.cells]


def _label(
    settings: StudySettings, datasets: dict[int, Dataset], say: Say
) -> dict[tuple[Path, str], Labels]:
    found: dict[tuple[Path, str], Labels] = {}
    for dataset in dict.fromkeys(datasets.values()):
        for strategy in dict.fromkeys(cell.strategy for cell in settings.cells):
            labels = make_labels(
                dataset, strategy, device=settings.device, threads=settings.threads
            )
            found[dataset.folder, strategy] = labels
    return found


def _plan(
    settings: StudySettings, cell: Cell, dataset: Dataset, labels: Labels
) -> CellRun | Outcome:
    """What to run for a cell; its outcome where it is finished, or cannot begin."""
    if labels.failure is not None:
        return failed(cell, labels.failure)
    try:
        config = settings.run_options(cell.method, cell.seed)
        config = replace(config, method_settings=asdict(resolve_settings(config)))
    except CdulEdgeError as error:
        return failed(cell, str(error))
    result = settings.out / "cells" / cell.path.with_suffix(".json")
    if result.is_file():
        return _read_finished(result, config, labels)
    return CellRun(
        cell=cell,
        config=config,
        labels=labels.file,
        labels_digest=labels.digest,
        store=labels.store,
        folder=settings.out / "runs" / cell.path,
        result=result,
        train_truth=dataset.train_truth,
        val=dataset.source.val,
        val_truth=dataset.val_truth,
        decoded=dataset.decoded,
        device=settings.device,
        threads=settings.threads or max(1, usable_cores() // settings.jobs),
        keep_run=settings.keep_runs,
    )


def _read_finished(result: Path, config: TrainConfig, labels: Labels) -> Outcome:
    outcome: dict[str, Any] = read_json(result)
    try:
        stored = TrainConfig.from_dict(outcome["settings"])
    except CdulEdgeError as error:
        raise CdulEdgeError(f"{result}: {error}: {_MEND}") from error
    different = stored.differences(config)
    if outcome["labels_digest"] != labels.digest:
        different.append(f"labels {outcome['labels_digest'][:8]} (now {labels.digest[:8]})")
    if different:
        raise CdulEdgeError(
            f"{result} was made with other settings: {', '.join(different)}: {_MEND}"
        )
    return outcome


def _tell(cell: Cell, outcome: Outcome) -> str:
    if outcome["status"] != DONE:
        return f"failed: {cell.title}: {outcome['reason']}"
    heldout = outcome["heldout_map"]
    value = math.nan if heldout is None else heldout
    return f"{cell.title}: held-out mAP {value:.1f}, {outcome['seconds']:.0f} s"

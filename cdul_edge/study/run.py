"""`cdul-edge study`: the order of the steps.

study.json                     what every cell depends on
data/                          worlds, similarities, labels, truth and decoded pictures: made once
runs/STRATEGY/METHOD/LEVEL/    one training run per seed
cells/STRATEGY/METHOD/LEVEL/   its result, which marks the cell as finished
results.json, table.md, ...    the report
"""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cdul_edge.study.cell_run import CellRun, run_cell
from cdul_edge.study.cells import Cell
from cdul_edge.study.datasets import Dataset, prepare_datasets
from cdul_edge.study.decoded import decode_once
from cdul_edge.study.labels import Labeler, Labels
from cdul_edge.study.outcome import Failed, Finished, Outcome, read_finished
from cdul_edge.study.record import settle_folder
from cdul_edge.study.report.report import Report, make_report
from cdul_edge.study.request import StudyRequest
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.methods import resolve_settings
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.folder_lock import lock_folder
from cdul_edge_runtime.host.machine import usable_cores
from cdul_edge_runtime.host.workers import Death, run_in_workers


@dataclass(frozen=True)
class StudyResult:
    """A study: what it found, and the files that say so."""

    report: Report
    files: tuple[Path, ...]

    @property
    def failures(self) -> int:
        """Cells that could not be run; the same request tries them again."""
        return self.report.failures


def study(request: StudyRequest, console: Console | None = None) -> StudyResult:
    """Label and train in every way that is asked for, and write tables, charts and JSON.

    Finished cells are not run again. A cell that fails is an outcome like the others, and is tried
    again by the next call.

    Args:
        request: what to compare, and where.
        console: where to say how far it is; without one, only warnings are issued.

    Raises:
        CdulEdgeError: data that cannot be read, finished cells of other settings, or another
            process at work in the folder.
    """
    outcomes = run_cells(request, console or LibraryConsole())
    report = make_report(request.to_dict(), outcomes)
    return StudyResult(report, tuple(report.write(request.out)))


def run_cells(request: StudyRequest, console: Console) -> list[Outcome]:
    """Run every cell that is not finished yet.

    Returns:
        One outcome per cell, in the order of the cells.

    Raises:
        CdulEdgeError: as `study`.
    """
    with lock_folder(request.out, "running a study in"):
        settle_folder(request)
        return _run_cells(request, console)


def _run_cells(request: StudyRequest, console: Console) -> list[Outcome]:
    console.say("preparing pictures, truth and labels")
    datasets = prepare_datasets(request)
    labels = _label(request, datasets)
    outcomes: dict[Cell, Outcome] = {}
    runs: list[CellRun] = []
    for cell in request.cells:
        dataset = datasets[cell.seed]
        planned = _plan(request, cell, dataset, labels[dataset.folder, cell.strategy])
        if isinstance(planned, CellRun):
            runs.append(planned)
        else:
            outcomes[cell] = planned
            if isinstance(planned, Failed):
                console.say(_describe(planned))
    finished = sum(isinstance(outcome, Finished) for outcome in outcomes.values())
    if finished:
        console.say(f"{finished} of {len(request.cells)} cells are finished already")
    if request.jobs > 1:
        decode_once(runs, console)
    with closing(run_in_workers(run_cell, runs, workers=request.jobs)) as answers:
        for run, answer in answers:
            outcome = Failed(run.cell, str(answer)) if isinstance(answer, Death) else answer
            outcomes[run.cell] = outcome
            console.say(f"[{len(outcomes)}/{len(request.cells)}] {_describe(outcome)}")
    return [outcomes[cell] for cell in request.cells]


def _label(request: StudyRequest, datasets: dict[int, Dataset]) -> dict[tuple[Path, str], Labels]:
    labeler = Labeler(request.subsets, request.device, request.threads)
    names = list(dict.fromkeys(cell.strategy for cell in request.cells))
    return {
        (dataset.folder, name): labels
        for dataset in dict.fromkeys(datasets.values())
        for name, labels in labeler.make_labels(dataset, names).items()
    }


def _plan(request: StudyRequest, cell: Cell, dataset: Dataset, labels: Labels) -> CellRun | Outcome:
    """What to run for a cell; its outcome where it is finished, or cannot begin."""
    if labels.failure is not None:
        return Failed(cell, labels.failure)
    try:
        config = request.run_options(cell.method, cell.seed)
        config = replace(config, method_settings=asdict(resolve_settings(config)))
    except CdulEdgeError as error:
        return Failed(cell, str(error))
    result = request.out / "cells" / cell.path.with_suffix(".json")
    if result.is_file():
        return _check_finished(result, config, labels)
    return CellRun(
        cell=cell,
        config=config,
        labels=labels.file,
        labels_digest=labels.digest,
        store=labels.store,
        folder=request.out / "runs" / cell.path,
        result=result,
        train_truth=dataset.train_truth,
        judged_truth=dataset.judged_truth if labels.judged else None,
        judged=dataset.judged,
        val=dataset.source.val,
        val_truth=dataset.val_truth,
        decoded=dataset.decoded,
        device=request.device,
        threads=request.threads or max(1, usable_cores() // request.jobs),
        keep_run=request.keep_runs or cell.row in request.keep_rows,
        curves=request.curves,
    )


def _check_finished(result: Path, config: TrainConfig, labels: Labels) -> Finished:
    """Read a finished cell, and make sure that it is of these settings and labels."""
    outcome = read_finished(result)
    different = outcome.settings.differences(config)
    if outcome.labels_digest != labels.digest:
        different.append(f"labels {outcome.labels_digest[:8]} (now {labels.digest[:8]})")
    if different:
        raise CdulEdgeError(
            f"{result} was made with other settings: {', '.join(different)}: choose "
            "another --out, or remove that file"
        )
    return outcome


def _describe(outcome: Outcome) -> str:
    cell = outcome.cell
    if isinstance(outcome, Failed):
        return f"failed: {cell.title}: {outcome.reason}"
    heldout, seconds = (outcome.measures[name] for name in ("heldout_map", "seconds"))
    value = math.nan if heldout is None else heldout
    return f"{cell.title}: held-out mAP {value:.1f}, {seconds or 0:.0f} s"

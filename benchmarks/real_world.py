"""The job on real photographs: labels from real CLIP outputs, students, bounds, published settings.

Labels are made from all 5,717 cached CLIP outputs of VOC 2012's training half, networks learn from
the 1,697 photographs of them that are here, and what they are worth is measured on 947 held-out
photographs (`--protocol final`), eight classes, as far as possible with three seeds. Truth is known
for 855 of the training photographs: defaults are chosen by learning from the free labels of the
other 842 and judging on those (`--protocol tune`), which never touches the held-out photographs.

A folder that was worked on goes on; `--report-only` writes the figures of what is finished.

    python -m benchmarks.real_world --work WORK --part all
    python -m benchmarks.real_world --work TUNE --protocol tune --part recipes --recipes all
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from benchmarks.lite0 import NETWORK, write_weights
from benchmarks.paired import judge_published
from benchmarks.photographs import DATA, REPORTED, Photographs
from benchmarks.recipes import RECIPES
from benchmarks.record import record
from benchmarks.trainers import note_trainer, read_trainers
from benchmarks.world_figures import FinishedRow, Judges, compare, judge_labels, read_row
from benchmarks.world_rows import (
    DEFAULT_METHOD,
    EVIDENCE,
    PARTS,
    PARTS_OF,
    Part,
    Protocol,
    comparisons,
    rows_of,
    variants_of,
)
from cdul_edge.study import KnownSimilarities, StudyRequest
from cdul_edge.study.cells import Row
from cdul_edge.study.run import run_cells
from cdul_edge.study.run_options import parse_run_options, parse_variants
from cdul_edge.study.variants import MethodVariant
from cdul_edge.training.presets import ConfigChanges, make_config
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import StderrConsole
from cdul_edge_runtime.host.machine import usable_cores
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import find_images
from cdul_edge_runtime.pictures.list_files import read_list

SIMILARITIES = Path("voc2012-clip-rn50x64/similarities.npz")  # beside the photographs' folder
RESULTS = {"final": "real_world", "tune": "real_world_tuning"}
KEPT = f"{EVIDENCE}/{DEFAULT_METHOD}/none"  # whose checkpoints `benchmarks.real_deployment` exports


@dataclass(frozen=True)
class World:
    """Where everything is, and what judges.

    Attributes:
        truth: of the training photographs, of a part of them.
        judges, judges_truth: the pictures that judge, and what they show.
    """

    photographs: Photographs
    similarities: Path
    protocol: Protocol

    @property
    def truth(self) -> Path:
        return self.photographs.folder / "train_known.csv"

    @property
    def judges(self) -> Path:
        return self.photographs.heldout if self.protocol == "final" else self.truth

    @property
    def judges_truth(self) -> Path:
        return self.photographs.heldout_table if self.protocol == "final" else self.truth

    @property
    def data(self) -> KnownSimilarities:
        return KnownSimilarities(
            self.similarities, self.photographs.train, self.truth, self.judges, self.judges_truth
        )


def main(arguments: Sequence[str] | None = None) -> None:
    options = make_parser().parse_args(arguments)
    try:
        run(options)
    except CdulEdgeError as error:
        print(f"real_world: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "real-world"),
                        help="folder of the runs (default: %(default)s)")  # fmt: skip
    parser.add_argument("--data", type=Path, default=DATA, help="folder with train/ and heldout/")
    parser.add_argument("--similarities", type=Path, help=f"default: {SIMILARITIES} beside --data")
    parser.add_argument("--protocol", choices=["final", "tune"], default="final",
                        help="what judges; see above (default: final)")  # fmt: skip
    parser.add_argument("--part", nargs="+", choices=[*PARTS, "all"], default=["all"],
                        metavar="PART", help=f"of {', '.join(PARTS)}, or all")  # fmt: skip
    parser.add_argument("--recipes", nargs="+", default=["base"], help="names, or all")
    parser.add_argument("--variant", action="append", default=[], metavar="NAME=METHOD,…",
                        help="add a method with other settings, as in a study")  # fmt: skip
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
                        help="give every run this setting of `train`")  # fmt: skip
    parser.add_argument("--weights", help="file of `benchmarks.lite0`; made where it is missing")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--jobs", type=int, default=usable_cores(), help="runs at once")
    parser.add_argument("--threads", type=int, default=1, help="of each job")
    parser.add_argument("--keep", nargs="*", default=[KEPT], metavar="STRATEGY/METHOD/LEVEL",
                        help="rows whose checkpoints stay")  # fmt: skip
    parser.add_argument("--minutes", type=float, help="end the runs after so long, then report")
    parser.add_argument("--join", action="append", type=Path, default=[], metavar="WORK",
                        help="report the runs of this folder too")  # fmt: skip
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    parser.add_argument("--results", help="name of the file in benchmarks/results")
    return parser


def run(options: argparse.Namespace) -> None:
    """Run what is asked for and is not finished, then write the figures of all that is.

    Raises:
        CdulEdgeError: no photographs, or options that do not fit.
    """
    similarities = options.similarities or options.data.parent / SIMILARITIES
    world = World(Photographs(options.data), similarities, options.protocol)
    if not similarities.is_file():
        raise CdulEdgeError(f"{similarities} is not there: name the file with --similarities")
    parts = choose_parts(options.part, options.protocol)
    extra = parse_variants(options.variant)
    recipes = tuple(RECIPES) if options.recipes == ["all"] else tuple(options.recipes)
    if unknown := [name for name in recipes if name not in RECIPES]:
        raise CdulEdgeError(f"no recipe {', '.join(unknown)}: there are {', '.join(RECIPES)}")
    rows = {part: rows_of(part, world.protocol, (*recipes, *extra)) for part in parts}
    if world.protocol == "final" and extra:
        rows["methods"] = (*rows.get("methods", ()), *rows_of("recipes", "final", tuple(extra)))
    asked = tuple(dict.fromkeys(row for some in rows.values() for row in some))
    if asked and not options.report_only:
        request, before = ask(options, world, asked, extra), count_finished(options.work)
        try:
            run_for(options.minutes, request)
        finally:
            if count_finished(options.work) > before:
                note_trainer(options.work, options.device, options.jobs, options.threads)
    figures = report(options, world, rows)
    name = options.results or RESULTS[world.protocol]
    record(name, figures, threads=options.threads)


def count_finished(work: Path) -> int:
    """Cells of a folder that have a result."""
    return sum(1 for _ in (work / "study" / "cells").rglob("*.json"))


class TimeIsUpError(Exception):
    """The minutes that were given are over."""


def run_for(minutes: float | None, request: StudyRequest) -> None:
    """Run the cells until they are finished or time is up; those in the middle begin again."""

    def stop(number: int, frame: object) -> None:
        raise TimeIsUpError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 60 * (minutes or 0.0))
    try:
        run_cells(request, StderrConsole())
    except TimeIsUpError:
        print("real_world: time is up; the same command goes on", file=sys.stderr)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def choose_parts(asked: Sequence[str], protocol: Protocol) -> tuple[Part, ...]:
    """The parts that are meant, in their order; `CdulEdgeError` for one of the other protocol."""
    own = PARTS_OF[protocol]
    if "all" in asked:
        return own
    if wrong := [part for part in asked if part not in own]:
        raise CdulEdgeError(
            f"--protocol {protocol} has no part {', '.join(wrong)}: it has {', '.join(own)}"
        )
    return tuple(part for part in own if part in asked)


def ask(
    options: argparse.Namespace,
    world: World,
    rows: tuple[Row, ...],
    extra: dict[str, MethodVariant],
) -> StudyRequest:
    """The study of these rows."""
    base = parse_run_options(options.settings)
    settings: dict[str, object] = {"network": f"timm:{NETWORK}", **base}
    if "weights" not in base and settings["network"] == f"timm:{NETWORK}":
        settings["weights"] = str(find_weights(options))
    known, count = len(read_list(world.truth)), len(find_images(world.photographs.train))
    changes = cast(ConfigChanges, settings)  # its names were checked above
    own = variants_of(make_config(**changes).epochs, known, count)
    used = {row[1] for row in rows}
    return StudyRequest(
        out=options.work / "study",
        data=world.data,
        rows=rows,
        variants={name: one for name, one in {**own, **extra}.items() if name in used},
        seeds=tuple(options.seeds),
        report_classes=REPORTED,
        curves=False,
        options=changes,
        jobs=options.jobs,
        threads=options.threads,
        device=options.device,
        keep_rows=tuple(cast(Row, tuple(text.split("/"))) for text in options.keep),
    )


def find_weights(options: argparse.Namespace) -> Path:
    """The pretrained weights as a file, converted where they are not yet."""
    file = Path(options.weights or options.work / "lite0.safetensors")
    return file.resolve() if file.is_file() else write_weights(file).resolve()


def report(
    options: argparse.Namespace, world: World, rows: dict[Part, tuple[Row, ...]]
) -> dict[str, object]:
    """Figures of everything that the folders have finished, whichever call it was of."""
    folders = [options.work, *options.join]
    studies = [folder / "study" for folder in folders]
    parts = PARTS_OF[world.protocol]
    every = {part: (*rows_of(part, world.protocol, tuple(RECIPES)), *rows.get(part, ()))
             for part in parts}  # fmt: skip
    judges = Judges.read(world.judges, world.judges_truth)
    found: dict[Row, FinishedRow] = {}
    for row in dict.fromkeys(row for some in every.values() for row in some):
        if (one := read_row(studies, row, options.seeds, judges)) is not None:
            found[row] = one
    figures: dict[str, object] = {
        "protocol": world.protocol,
        "photographs": len(find_images(world.photographs.train)),
        "with_truth": len(read_list(world.truth)),
        "judged_on": len(judges.paths),
        "classes": list(REPORTED),
        "settings": options.settings,
        "variants": options.variant,
        "trained_on": [machine for folder in folders for machine in read_trainers(folder)],
    }
    with tempfile.TemporaryDirectory() as scratch:
        known = read_truth(world.truth)
        figures["labels"] = judge_labels(world.similarities, known, Path(scratch, "labels"))
    drawn = {row: one.to_dict() for row, one in found.items()}
    for part, some in every.items():
        done = [drawn[row] for row in dict.fromkeys(some) if row in drawn]
        if done and part != "published":
            figures[part] = done
    if world.protocol == "final":
        gains = [compare(one, found) for one in comparisons()]
        figures["comparisons"] = [gain for gain in gains if gain is not None]
        if published := [found[row] for row in every["published"] if row in found]:
            figures["published"] = judge_published(published)
    return figures


if __name__ == "__main__":
    main()

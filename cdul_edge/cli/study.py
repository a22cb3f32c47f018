"""`cdul-edge study`: labeling strategies, training methods and seeds side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cdul_edge.cli.output.result_console import message_console, result_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge.study import options
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports
from cdul_edge_runtime.host.console import StderrConsole

if TYPE_CHECKING:
    from cdul_edge.study import DrawnWorld, KnownSimilarities, Photographs, StudyResult
    from cdul_edge_runtime.choices import Difficult


def study(
    out: options.Out,
    json: options.JsonFile = None,
    drawn_world: options.World = None,
    images: options.Images = None,
    classes: options.Classes = None,
    clip: options.Clip = None,
    pretrained: options.Pretrained = None,
    from_similarities: options.Similarities = None,
    made_with_temperature: options.MadeWith = None,
    train_truth: options.TrainTruth = None,
    val: options.Val = None,
    truth: options.Truth = None,
    difficult: options.Difficult = "negative",
    strategies: options.Strategies = None,
    subsets: options.Subsets = None,
    methods: options.Methods = "fixed,cdul",
    variants: options.Variants = None,
    observed: options.Observed = "none",
    observed_methods: options.ObservedMethods = None,
    seeds: options.Seeds = "0,1,2",
    cross: options.Cross = False,
    report_classes: options.ReportClasses = None,
    curves: options.Curves = True,
    preset: options.Preset = None,
    epochs: options.Epochs = None,
    image_size: options.ImageSize = None,
    train_settings: options.TrainSettings = None,
    jobs: options.Jobs = 1,
    threads: options.Threads = None,
    device: options.Device = "auto",
    keep_runs: options.KeepRuns = False,
) -> None:
    """Compare ways to label and to learn on data with truth: tables, charts and JSON."""
    with extra_imports("train", "a study"):
        from cdul_edge.study import StudyRequest, run_options
        from cdul_edge.study import study as run_study
        from cdul_edge.study.variants import METHOD_VARIANTS, STRATEGIES

    data = GivenData(
        drawn_world, images, classes, clip, train_truth, val, truth, pretrained,
        from_similarities, made_with_temperature,
    )  # fmt: skip
    own = run_options.parse_variants(variants or [])
    request = StudyRequest(
        out=out, data=data.check(difficult),
        strategies=_names(strategies or own_strategies(from_similarities), tuple(STRATEGIES)),
        methods=tuple(dict.fromkeys((*_names(methods, tuple(METHOD_VARIANTS)), *own))),
        subsets=run_options.parse_subsets(subsets or []), variants=own, observed=_names(observed),
        observed_methods=None if observed_methods is None else _names(observed_methods),
        seeds=_numbers(seeds, "--seeds"), cross=cross, curves=curves,
        report_classes=None if report_classes is None else run_options.parse_names(report_classes),
        preset=preset or ("demo" if drawn_world else None),
        options=run_options.parse_run_options(
            train_settings or [], epochs=epochs, image_size=image_size
        ),
        jobs=jobs, threads=threads, device=device, keep_runs=keep_runs,
    )  # fmt: skip
    _show(run_study(request, StderrConsole()), json)


@dataclass(frozen=True)
class GivenData:
    """The data options as they were given, complete or not."""

    drawn_world: str | None
    images: Path | None
    classes: Path | None
    clip: str | None
    train_truth: Path | None
    val: Path | None
    truth: Path | None
    pretrained: str | None
    from_similarities: Path | None = None
    made_with_temperature: float | None = None

    def check(self, difficult: Difficult) -> Photographs | KnownSimilarities | DrawnWorld:
        """What the options ask for.

        Raises:
            CdulEdgeError: options of two kinds of data, or of none in full.
        """
        from cdul_edge.study import DrawnWorld, KnownSimilarities, Photographs

        images, classes, clip = self.images, self.classes, self.clip
        train_truth, val, truth = self.train_truth, self.val, self.truth
        if self.from_similarities is not None and self.drawn_world is None:
            if named := [n for n in ("classes", "clip", "pretrained") if getattr(self, n)]:
                raise CdulEdgeError(f"--from-similarities brings its own: drop --{_dashed(named)}")
            if not (images and train_truth and val and truth):
                raise self._incomplete(("images", "train_truth", "val", "truth"))
            return KnownSimilarities(
                self.from_similarities, images, train_truth, val, truth,
                self.made_with_temperature, difficult,
            )  # fmt: skip
        if self.drawn_world is not None:
            given = {name for name, value in vars(self).items() if value is not None}
            if named := [name for name in vars(self) if name in given - {"drawn_world"}]:
                raise CdulEdgeError(
                    f"--drawn-world paints its own pictures: drop --{_dashed(named)}"
                )
            numbers = _numbers(self.drawn_world, "--drawn-world")
            if len(numbers) != 2:
                raise CdulEdgeError(
                    "--drawn-world: expected TRAIN,HELDOUT pictures, such as 1500,500"
                )
            return DrawnWorld(*numbers)
        if not (images and classes and clip and train_truth and val and truth):
            raise self._incomplete(("images", "classes", "clip", "train_truth", "val", "truth"))
        if self.made_with_temperature is not None:
            raise CdulEdgeError("drop --made-with-temperature: it is for --from-similarities")
        return Photographs(
            images, classes, clip, train_truth, val, truth, self.pretrained, difficult
        )

    def _incomplete(self, needed: tuple[str, ...]) -> CdulEdgeError:
        missing = [name for name in needed if getattr(self, name) is None]
        return CdulEdgeError(
            f"a study needs pictures with truth: give --{_dashed(missing)}; or --drawn-world"
        )


def _show(result: StudyResult, json: Path | None) -> None:
    result_console(to_stderr=str(json) == "-").print(result.report.table)
    messages = message_console()
    messages.print(f"written: {', '.join(map(str, result.files))}")
    if json is not None:
        write_summary(json, result.report.to_dict())
    if result.failures:
        messages.print(f"{result.failures} cells failed; the same command tries them again")
        raise typer.Exit(1)


def _dashed(names: list[str]) -> str:
    return ", --".join(name.replace("_", "-") for name in names)


def own_strategies(similarities: Path | None) -> str:
    """What is compared unless asked: such a file may hold no average of the snippets."""
    return f"default,global,{'average,' if similarities is None else ''}max,cdul"


def _names(text: str, every: tuple[str, ...] | None = None) -> tuple[str, ...]:
    if text == "all" and every is not None:
        return every
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _numbers(text: str, option: str) -> tuple[int, ...]:
    parts = _names(text)
    if not all(part.isdecimal() for part in parts):
        raise CdulEdgeError(f"{option} {text!r}: expected whole numbers with commas between")
    return tuple(map(int, parts))

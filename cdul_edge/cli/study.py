"""`cdul-edge study`: labelling strategies, training methods and seeds side by side."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdul_edge.cli.output.result_console import message_console, result_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge.training.presets import Preset
from cdul_edge_runtime.choices import Difficult
from cdul_edge_runtime.errors import CdulEdgeError, extra_imports

if TYPE_CHECKING:
    from cdul_edge.study.settings import DrawnWorld, Photographs, StudySettings

DATA, CELLS, RUNS = "Data", "What is compared", "Runs"


def _option(help: str, panel: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


def study(
    out: Annotated[Path, typer.Option(help="Folder of the study; one that was cut off goes on.")],
    json: Annotated[Path | None, typer.Option(help="Results as JSON too; - is stdout.")] = None,
    drawn_world: Annotated[
        str | None, _option("TRAIN,HELDOUT pictures to paint, a world a seed.", DATA)
    ] = None,
    images: Annotated[Path | None, _option("Training pictures, as label takes them.", DATA)] = None,
    classes: Annotated[Path | None, _option("Class file, as label takes it.", DATA)] = None,
    clip: Annotated[str | None, _option("As label takes it.", DATA)] = None,
    pretrained: Annotated[str | None, _option("As label takes it.", DATA)] = None,
    train_truth: Annotated[Path | None, _option("What the training pictures show.", DATA)] = None,
    val: Annotated[Path | None, _option("Held-out pictures.", DATA)] = None,
    truth: Annotated[Path | None, _option("What they show.", DATA)] = None,
    difficult: Annotated[Difficult, _option("VOC's difficult objects are.", DATA)] = "negative",
    strategies: Annotated[
        str, _option("Ways to label, by name, with commas between; or all.", CELLS)
    ] = "default,global,average,max,cdul",
    methods: Annotated[
        str, _option("Ways to learn, by name, with commas between; or all.", CELLS)
    ] = "fixed,cdul",
    observed: Annotated[
        str, _option("Labels that people gave: none, 10%, single-positive, ...", CELLS)
    ] = "none",
    observed_methods: Annotated[
        str | None,
        _option("Methods that also learn with them.", CELLS, show_default="all of --methods"),
    ] = None,
    seeds: Annotated[str, _option("Of runs and of drawn worlds.", CELLS)] = "0,1,2",
    cross: Annotated[
        bool, _option("Every strategy with every method and level.", CELLS, "--cross")
    ] = False,
    preset: Annotated[
        Preset | None, _option("Named settings.", RUNS, show_default="demo for --drawn-world")
    ] = None,
    epochs: Annotated[int | None, _option("Of every run.", RUNS, min=1)] = None,
    image_size: Annotated[int | None, _option("Side of the input, px.", RUNS, min=8)] = None,
    train_settings: Annotated[
        list[str] | None,
        _option("NAME=VALUE of every run, such as network=resnet18.", RUNS, "--train"),
    ] = None,
    jobs: Annotated[int, _option("Runs at once, a process each.", RUNS, min=1)] = 1,
    threads: Annotated[
        int | None, _option("Of each process.", RUNS, min=1, show_default="cores / jobs")
    ] = None,
    device: Annotated[str, _option("auto, cpu, cuda, cuda:1, ...", RUNS)] = "auto",
    keep_runs: Annotated[
        bool, _option("Keep the checkpoints of finished runs.", RUNS, "--keep-runs")
    ] = False,
) -> None:
    """Compare ways to label and to learn on data with truth; a table, charts and JSON."""
    given = {k: v.value if isinstance(v, Enum) else v for k, v in locals().items()}
    with extra_imports("train", "a study"):
        from cdul_edge.study.report import make_report
        from cdul_edge.study.study import run_study
    settings = _read_settings(given, preset)
    talk = message_console()
    report = make_report(settings.to_dict(), run_study(settings, talk.print))
    files = report.write(out)
    result_console(to_stderr=str(json) == "-").print(report.table)
    talk.print(f"written: {', '.join(map(str, files))}")
    if json is not None:
        write_summary(json, report.to_dict())
    if report.failures:
        talk.print(f"{report.failures} cells failed; the same command tries them again")
        raise typer.Exit(1)


def _read_settings(given: dict[str, Any], preset: Preset | None) -> StudySettings:
    from cdul_edge.study.settings import StudySettings, parse_run_options
    from cdul_edge.study.variants import METHOD_VARIANTS, STRATEGIES

    options = parse_run_options(given["train_settings"] or [])
    if given["image_size"] is not None:
        options |= {"height_px": given["image_size"], "width_px": given["image_size"]}
    if given["epochs"] is not None:
        options["epochs"] = given["epochs"]
    if preset is None and given["drawn_world"] is not None:
        preset = "demo"
    levels = given["observed_methods"]
    return StudySettings(
        data=_read_data(given),
        strategies=_names(given["strategies"], tuple(STRATEGIES)),
        methods=_names(given["methods"], tuple(METHOD_VARIANTS)),
        observed=_names(given["observed"]),
        observed_methods=None if levels is None else _names(levels),
        seeds=_numbers(given["seeds"], "--seeds"),
        preset=preset,
        options=options,
        **{key: given[key] for key in ("out", "cross", "jobs", "threads", "device", "keep_runs")},
    )


def _read_data(given: dict[str, Any]) -> Photographs | DrawnWorld:
    from cdul_edge.study.settings import DrawnWorld, Photographs

    required = ("images", "classes", "clip", "train_truth", "val", "truth")
    named = [name for name in (*required, "pretrained") if given[name] is not None]
    if given["drawn_world"] is not None:
        if named:
            raise CdulEdgeError(f"--drawn-world paints its own pictures: drop --{_dashed(named)}")
        numbers = _numbers(given["drawn_world"], "--drawn-world")
        if len(numbers) != 2:
            raise CdulEdgeError("--drawn-world: expected TRAIN,HELDOUT pictures, such as 1500,500")
        return DrawnWorld(*numbers)
    missing = [name for name in required if given[name] is None]
    if missing:
        raise CdulEdgeError(
            f"a study needs pictures with truth: give --{_dashed(missing)}; or --drawn-world"
        )
    return Photographs(
        pretrained=given["pretrained"],
        difficult=given["difficult"],
        **{name: given[name] for name in required},
    )


def _dashed(names: list[str]) -> str:
    return ", --".join(name.replace("_", "-") for name in names)


def _names(text: str, every: tuple[str, ...] | None = None) -> tuple[str, ...]:
    if text == "all" and every is not None:
        return every
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _numbers(text: str, option: str) -> tuple[int, ...]:
    parts = _names(text)
    if not all(part.isdecimal() for part in parts):
        raise CdulEdgeError(f"{option} {text!r}: expected whole numbers with commas between")
    return tuple(map(int, parts))

"""The command line's options for a `StudyRequest`, one type each."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cdul_edge.clip import choices as clip_choices
from cdul_edge.training import presets
from cdul_edge_runtime import choices

_data = partial(typer.Option, rich_help_panel="Data")
_cells = partial(typer.Option, rich_help_panel="What is compared")
_runs = partial(typer.Option, rich_help_panel="Runs")

Out = Annotated[
    Path,
    typer.Option(help="Write the study to this folder. A study that was interrupted is resumed."),
]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", help="Write the results as JSON to this file too; - is stdout."),
]
World = Annotated[
    str | None,
    _data(
        "--drawn-world",
        metavar="TRAIN,HELDOUT",
        help="Draw so many pictures to learn from and to judge on, a new world per seed, in place "
        "of --images and the options below it.",
    ),
]
Images = Annotated[
    Path | None, _data(help="Label and learn from these pictures, given as for `cdul-edge label`.")
]
Similarities = Annotated[
    Path | None,
    _data(
        "--from-similarities",
        help="Label from these CLIP outputs, as for `cdul-edge label`, in place of --classes and "
        "--clip: all rows count for labels, and networks learn from those in --images.",
    ),
]
MadeWith = Annotated[
    float | None,
    _data(
        "--made-with-temperature", help="Temperature of their softmax, as for `cdul-edge label`."
    ),
]
Classes = Annotated[Path | None, _data(help="Class file, as for `cdul-edge label`.")]
Clip = Annotated[str | None, _data(help="CLIP that labels, as for `cdul-edge label`.")]
Pretrained = Annotated[str | None, _data(help="Weights of that CLIP, as for `cdul-edge label`.")]
TrainTruth = Annotated[
    Path | None,
    _data(
        help="What the pictures of --images show, or some of them. No method sees more of it than "
        "--observed; only the strategy `truth` learns from it."
    ),
]
Val = Annotated[Path | None, _data(help="Judge on these held-out pictures.")]
Truth = Annotated[Path | None, _data(help="What the held-out pictures show.")]
Difficult = Annotated[choices.Difficult, _data(help="Count VOC's difficult objects as this.")]
Strategies = Annotated[
    str | None,
    _cells(
        show_default="default,global,average,max,cdul; no average --from-similarities",
        help="Compare these ways to label: names with commas between, or all. NAME@with-truth, "
        "NAME@without-truth and NAME@SUBSET learn from a part of the pictures.",
    ),
]
Subsets = Annotated[
    list[str] | None,
    _cells(
        "--subset",
        metavar="NAME=LIST",
        help="A text or CSV list of training pictures, for strategies to name. Repeat it for "
        "several.",
    ),
]
Methods = Annotated[
    str, _cells(help="Compare these ways to learn: names with commas between, or all.")
]
Variants = Annotated[
    list[str] | None,
    _cells(
        "--variant",
        metavar="NAME=METHOD,…",
        help="A way to learn of your own, such as slow=cdul,learning_rate=1e-4,anchor=0.3: "
        "settings of the run or the method. It joins --methods. Repeat it for several.",
    ),
]
Observed = Annotated[
    str,
    _cells(
        help="Compare these levels of labels that people gave, with commas between: none, or a "
        "kind of `cdul-edge train --simulate` such as 10% or single-positive; only-10% leaves the "
        "pseudo-labels out. They are drawn from the truth."
    ),
]
ObservedMethods = Annotated[
    str | None,
    _cells(help="Run only these methods at the levels beside none.", show_default="all methods"),
]
Seeds = Annotated[str, _cells(help="Repeat everything with these seeds, with commas between.")]
Cross = Annotated[
    bool,
    _cells(
        "--cross",
        help="Run every strategy with every method and level. Without it, strategies are compared "
        "with one method, and methods on one strategy.",
    ),
]
ReportClasses = Annotated[
    str | None,
    _cells(
        help="Report figures of these classes only: names with commas between, or a class file. "
        "All are trained.",
        show_default="every class with a positive",
    ),
]
Curves = Annotated[
    bool,
    _runs(
        "--curves/--no-curves",
        help="Measure every run after each epoch. Without, runs are faster, and one that was "
        "interrupted begins again.",
    ),
]
Preset = Annotated[
    presets.Preset | None,
    _runs(
        help="Start every run from named settings; options given beside it override them.",
        show_default="demo with --drawn-world",
    ),
]
Epochs = Annotated[int | None, _runs(help="Train every run for this many epochs.", min=1)]
ImageSize = Annotated[int | None, _runs(help="Side of the network's input in px.", min=8)]
TrainSettings = Annotated[
    list[str] | None,
    _runs(
        "--train",
        metavar="NAME=VALUE",
        help="Give every run this setting, such as network=resnet18. Repeat it for several.",
    ),
]
Jobs = Annotated[int, _runs(help="Train this many runs at once, each in its own process.", min=1)]
Threads = Annotated[
    int | None, _runs(help="Threads per process.", min=1, show_default="cores / jobs")
]
Device = Annotated[
    clip_choices.Device,
    _runs(
        help="Run CLIP and the networks on this device; auto prefers a GPU. To use another GPU "
        "than the first, set CUDA_VISIBLE_DEVICES."
    ),
]
KeepRuns = Annotated[
    bool, _runs("--keep-runs", help="Keep the checkpoints of finished runs; they are large.")
]

"""`cdul-edge demo`: the whole job on pictures that the program draws itself."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cdul_edge.cli.output.result_console import message_console, result_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge.cli.output.tables.demo import show_demo
from cdul_edge_runtime.errors import extra_imports

OutOption = Annotated[Path, typer.Option(help="Write everything that the demo makes here.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the drawn world and of training.")]
TrainPicturesOption = Annotated[
    int, typer.Option(min=64, help="Draw this many unlabeled pictures to learn from.")
]
HeldoutPicturesOption = Annotated[
    int, typer.Option(min=20, help="Draw this many pictures to judge the result on.")
]
SupervisedOption = Annotated[
    bool, typer.Option("--supervised", help="Also train on true labels, as an upper bound.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the demo that --out holds.")]
JsonOption = Annotated[
    Path | None, typer.Option(help="Write the report as JSON to this file too; - is stdout.")
]


def demo(
    context: typer.Context,
    out: OutOption = Path("demo-out"),
    seed: SeedOption = 0,
    train_pictures: TrainPicturesOption = 3000,
    heldout_pictures: HeldoutPicturesOption = 1000,
    supervised: SupervisedOption = False,
    force: ForceOption = False,
    json: JsonOption = None,
) -> None:
    """Draw a world, label it with a tiny CLIP, train, export, verify, report; no download."""
    with extra_imports("train", "the demo"):
        from cdul_edge.demo import DemoRequest
        from cdul_edge.demo import demo as run_demo

    request = DemoRequest(
        out=out,
        seed=seed,
        train_pictures=train_pictures,
        heldout_pictures=heldout_pictures,
        supervised=supervised,
        force=force,
    )
    # With --json - stdout is the report's alone; what the commands print goes to stderr.
    with redirect_stdout(sys.stderr) if str(json) == "-" else nullcontext():
        result = run_demo(request, partial(_run_command, context.find_root().command.main))
        show_demo(result, result_console())
    message_console().print(f"engines for NVIDIA's GPUs: cdul-edge build {out / 'bundle'}")
    message_console().print(f"open in a browser: {result.paths['report']}")
    if json is not None:
        write_summary(json, result.to_dict())


def _run_command(program: Callable[..., int | None], arguments: Sequence[str]) -> None:
    message_console().print(f"\n$ cdul-edge {shlex.join(arguments)}", style="bold")
    code = program(list(arguments), "cdul-edge", standalone_mode=False)
    if code:
        raise typer.Exit(code)

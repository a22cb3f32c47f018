"""The command line as a whole: its commands, and how it ends.

Exit codes: 0 success, 1 a verification or a cell of a study failed, 2 something the user can fix,
130 interrupted. stdout carries results, stderr everything else.
"""

from __future__ import annotations

import inspect
import signal
import sys
from types import FrameType
from typing import Annotated, Any

import typer

from cdul_edge.cli.bench import bench
from cdul_edge.cli.build import build
from cdul_edge.cli.calibrate import calibrate
from cdul_edge.cli.convert import convert
from cdul_edge.cli.demo import demo
from cdul_edge.cli.dispatch import Command, Commands, end_with
from cdul_edge.cli.doctor import doctor
from cdul_edge.cli.evaluate import evaluate
from cdul_edge.cli.explain import explain
from cdul_edge.cli.export import export
from cdul_edge.cli.export_config import export_config
from cdul_edge.cli.info import info
from cdul_edge.cli.label import label
from cdul_edge.cli.output.streams import prepare_streams
from cdul_edge.cli.predict import predict
from cdul_edge.cli.pull import pull
from cdul_edge.cli.push import push
from cdul_edge.cli.report import report
from cdul_edge.cli.review import review
from cdul_edge.cli.sample import sample
from cdul_edge.cli.study import study
from cdul_edge.cli.train import train
from cdul_edge.cli.verify import verify
from cdul_edge.cli.watch import watch
from cdul_edge.version import __version__


class App(typer.Typer):
    """The application; calling it is the start of the process."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line."""
        prepare_streams()
        try:
            return super().__call__(*args, **kwargs)
        except OSError as error:
            sys.exit(end_with(error))


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"cdul-edge {__version__}")
        raise typer.Exit


def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Turn unlabeled pictures and class names into a verified multi-label classifier."""
    signal.signal(signal.SIGTERM, _interrupt)
    # A terminal or SSH session that ends. Under `nohup` it is ignored, and stays so.
    hang_up = getattr(signal, "SIGHUP", None)
    if hang_up is not None and signal.getsignal(hang_up) is signal.SIG_DFL:
        signal.signal(hang_up, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _join_lines(docstring: str) -> str:
    """Its paragraphs without their line breaks, at which rich would break the help text, too."""
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


app = App(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.callback()(main)
for command in (
    label,
    evaluate,
    sample,
    train,
    explain,
    study,
    export,
    calibrate,
    build,
    export_config,
    predict,
    watch,
    verify,
    bench,
    report,
    convert,
    review,
    push,
    pull,
    demo,
    info,
    doctor,
):
    app.command(cls=Command, help=_join_lines(command.__doc__ or ""))(command)

"""The command line: one thin file a command; heavy imports stay inside the command.

Exit codes: 0 done, 1 a verification or a cell of a study failed, 2 something the user can mend, 130
interrupted. stdout carries results, stderr talk.
"""

from __future__ import annotations

import errno
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from typer.core import TyperGroup

from cdul_edge import __version__
from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning

_FULL = (
    "the disk is full{where} ({reason}): finished work is kept; "
    "make room, and the same command goes on from there"
)
_FORBIDDEN = (
    "reading or writing is not allowed{where} ({reason}): "
    "change the permissions, or name another path"
)
_MENDABLE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _FORBIDDEN),
}


class Commands(TyperGroup):
    """Ends every error that a user can mend in one line and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with _warnings_in_one_line():
                return super().invoke(ctx)
        except CdulEdgeError as error:
            _complain(str(error))
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:
            _complain("interrupted: finished work is kept, the same command goes on from there")
            raise typer.Exit(130) from error
        except BrokenPipeError as error:  # `cdul-edge predict … | head`
            sys.stderr.close()
            raise typer.Exit(0) from error
        except OSError as error:
            if error.errno not in _MENDABLE:
                raise
            where = f" at {error.filename}" if error.filename else ""
            _complain(_MENDABLE[error.errno].format(where=where, reason=error.strerror))
            raise typer.Exit(2) from error


def _complain(message: str, style: str = "red") -> None:
    Console(stderr=True, soft_wrap=True).print(
        f"cdul-edge: {message}", style=style, markup=False, highlight=False
    )


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Our own warnings, every one; those of others look as they always do."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", CdulEdgeWarning)
        show_other = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, CdulEdgeWarning):
                _complain(f"warning: {message}", style="yellow")
            else:
                show_other(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"cdul-edge {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """Unlabelled pictures and class names in, a verified multi-label classifier out."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


from cdul_edge.cli.bench import bench  # noqa: E402
from cdul_edge.cli.build import build  # noqa: E402
from cdul_edge.cli.calibrate import calibrate  # noqa: E402
from cdul_edge.cli.demo import demo  # noqa: E402
from cdul_edge.cli.doctor import doctor  # noqa: E402
from cdul_edge.cli.evaluate import evaluate  # noqa: E402
from cdul_edge.cli.explain import explain  # noqa: E402
from cdul_edge.cli.export import export  # noqa: E402
from cdul_edge.cli.info import info  # noqa: E402
from cdul_edge.cli.label import label  # noqa: E402
from cdul_edge.cli.predict import predict  # noqa: E402
from cdul_edge.cli.study import study  # noqa: E402
from cdul_edge.cli.train import train  # noqa: E402
from cdul_edge.cli.verify import verify  # noqa: E402

app.command()(label)
app.command()(evaluate)
app.command()(train)
app.command()(explain)
app.command()(study)
app.command()(export)
app.command()(calibrate)
app.command()(build)
app.command()(predict)
app.command()(verify)
app.command()(bench)
app.command()(demo)
app.command()(info)
app.command()(doctor)

"""What happens to every command: before it, its arguments are checked; after it, its errors are."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from cdul_edge.cli.options.aliases import RENAMED_OPTIONS, RENAMED_VALUES, use_current_names
from cdul_edge.cli.output.complaints import complain, explain, warnings_in_one_line
from cdul_edge.cli.output.streams import discard_stdout
from cdul_edge.cli.output.summary import refuse_foreign_json
from cdul_edge.launcher import keeps_silent, leave_last, refuse_copies
from cdul_edge_runtime.errors import CdulEdgeError, ToldElsewhereError

_RESUMABLE = ("label", "train", "study", "push", "pull")
_WRITE_AT_ONCE = ("report", "review", "convert")  # when all is known, at the end


class Command(TyperCommand):
    """A command that knows its options' former names, and refuses empty values.

    An empty value is nearly always a shell variable that is not set. As a path it would mean the
    current folder: `cdul-edge label "$PHOTOS"` must not label what happens to lie there.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Replace former names, then parse."""
        name = self.name or ""
        args = use_current_names(
            args,
            RENAMED_OPTIONS.get(name, {}),
            RENAMED_VALUES.get(name, {}),
            lambda line: complain(line, style="yellow"),
        )
        if not ctx.resilient_parsing:
            self._check_values(ctx, args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run it, unless copies of it would write over one another, or a path is an address."""
        _refuse_addresses(ctx.params)
        refuse_copies(self.name or "", on_ray=ctx.params.get("engine") == "ray")
        return super().invoke(ctx)

    def _check_values(self, ctx: Any, args: list[str]) -> None:
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        for param in self.get_params(ctx):
            value = given.get(param.name)
            if param.name == "json" and isinstance(value, str) and value not in ("", "-"):
                refuse_foreign_json(Path(value))  # now, and not after the work
            values = value if isinstance(value, (list, tuple)) else [value]
            if any(isinstance(one, str) and not one.strip() for one in values):
                name = max(param.opts, key=len)
                shown = name if name.startswith("-") else name.upper()
                raise CdulEdgeError(
                    f"{shown} is empty: give a value (is a shell variable in it not set?)"
                )


class Commands(TyperGroup):
    """Ends every error that the user can fix in one line and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and turn errors of the user into one line."""
        try:
            with warnings_in_one_line():
                answer = super().invoke(ctx)
            sys.stdout.flush()  # a full disk or a closed pipe shows here, and not after the end
        except KeyboardInterrupt as error:
            if not keeps_silent():
                complain(f"interrupted: {_what_remains(ctx.invoked_subcommand)}")
            raise typer.Exit(130) from error
        except BrokenPipeError as error:  # `cdul-edge predict … | head`
            discard_stdout()
            raise typer.Exit(0) from error
        except ToldElsewhereError as error:
            leave_last()
            raise typer.Exit(2) from error
        except Exception as error:
            message = explain(error, ctx.invoked_subcommand)
            if message is None:
                raise
            _drop_unwritten()
            if isinstance(error, CdulEdgeError) and keeps_silent():
                leave_last()
            else:
                complain(message)
            raise typer.Exit(2) from error
        return answer


def _what_remains(command: str | None) -> str:
    """Of an interrupted command's work."""
    if command in _WRITE_AT_ONCE:
        return "nothing half-written is left; the same command begins again"
    return "finished work is kept" + "; the same command continues it" * (command in _RESUMABLE)


def end_with(error: OSError) -> int:
    """End what failed before any command ran, such as `--help` on a full disk: its exit code.

    Raises:
        OSError: the error itself, where it is a bug of ours.
    """
    message = explain(error)
    if message is None:
        raise error
    _drop_unwritten()
    complain(message)
    return 2


def _refuse_addresses(params: Mapping[str, object]) -> None:
    """What may be an address comes as text: as a path, s3://labels/a would be a folder `s3:`."""
    for value in params.values():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            first, *others = one.parts if isinstance(one, Path) and one.parts else ("",)
            if others and len(first) > 2 and first.endswith(":") and not Path(first).exists():
                address = f"{first}//{'/'.join(others)}"
                raise CdulEdgeError(
                    f"{address} is an address, and expected is a path on this machine: copy it "
                    "here first, or mount it"
                )


def _drop_unwritten() -> None:
    """What stdout cannot take now it cannot take at the end of the process either."""
    try:
        sys.stdout.flush()
    except OSError:
        discard_stdout()

"""`cdul-edge pull`: a bundle from the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cdul_edge.cli.output.result_console import message_console, result_console
from cdul_edge_runtime.errors import extra_imports
from cdul_edge_runtime.host.console import StderrConsole

RepositoryArgument = Annotated[
    str, typer.Argument(metavar="hf://USER/NAME", help="Repository of the Hub.")
]
OutArgument = Annotated[Path, typer.Argument(help="Folder for the bundle.")]
RevisionOption = Annotated[
    str,
    typer.Option(help="Branch, tag, or commit; only a commit gives the same bundle every time."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an earlier bundle.")]


def pull(
    repository: RepositoryArgument,
    out: OutArgument,
    revision: RevisionOption = "main",
    force: ForceOption = False,
) -> None:
    """Pull a bundle from the Hugging Face Hub, and check every file by its digest."""
    with extra_imports("hub", "pulling from the Hub"):
        from cdul_edge.hub.pull import pull as fetch
    from cdul_edge.hub.request import PullRequest

    console = StderrConsole(message_console())
    result = fetch(PullRequest(repository, out, revision, force), console)
    console.say(f"commit {result.commit}")
    result_console().print(f"{result.out}")

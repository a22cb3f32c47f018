"""`cdul-edge push`: a bundle to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cdul_edge.cli.output.result_console import message_console, result_console
from cdul_edge_runtime.errors import extra_imports
from cdul_edge_runtime.host.console import StderrConsole

BundleArgument = Annotated[Path, typer.Argument(help="Folder of the bundle.")]
RepositoryArgument = Annotated[
    str,
    typer.Argument(
        metavar="hf://USER/NAME", help="Repository of the Hub; it is made if there is none."
    ),
]
RunOption = Annotated[
    Path | None,
    typer.Option(
        help="Also push the weights of this run, from which the bundle was exported, as "
        "safetensors, and its figures in the model card.",
        show_default=False,
    ),
]
LicenseOption = Annotated[
    str | None,
    typer.Option(help="State this license, as the Hub spells it: apache-2.0, cc-by-4.0, ..."),
]
RevisionOption = Annotated[str, typer.Option(help="Commit to this branch.")]
PrivateOption = Annotated[bool, typer.Option("--private", help="Make a new repository private.")]
ForceOption = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Push into a repository that holds something else, and replace its own README.md.",
    ),
]


def push(
    bundle: BundleArgument,
    repository: RepositoryArgument,
    run: RunOption = None,
    license: LicenseOption = None,
    revision: RevisionOption = "main",
    private: PrivateOption = False,
    force: ForceOption = False,
) -> None:
    """Push a bundle to the Hugging Face Hub, with a model card made from its manifest.

    Engines stay here: they are of one machine. A bundle that holds a token or a path of this
    machine is refused.
    """
    with extra_imports("hub", "pushing to the Hub"):
        from cdul_edge.hub.push import push as send
    from cdul_edge.hub.request import PushRequest

    request = PushRequest(bundle, repository, run, license, revision, private, force)
    result = send(request, StderrConsole(message_console()))
    result_console().print(f"{result.url}/tree/{result.commit}")

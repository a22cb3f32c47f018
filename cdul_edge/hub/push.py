"""`cdul-edge push`: a bundle becomes a repository of the Hub, in one commit."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

from cdul_edge.hub.address import parse_repository
from cdul_edge.hub.card import MARK, write_card
from cdul_edge.hub.connection import one_line, open_hub, require_token
from cdul_edge.hub.contents import (
    CARD,
    NETWORK,
    WEIGHTS,
    check_contents,
    check_names,
    is_part,
    list_parts,
)
from cdul_edge.hub.pull import read_remote_manifest
from cdul_edge.hub.request import PushRequest, PushResult
from cdul_edge_runtime.bundle.bundle import REFERENCE, Bundle
from cdul_edge_runtime.errors import BundleError, CdulEdgeError, extra_imports
from cdul_edge_runtime.host.console import Console, LibraryConsole

_OURS_BESIDE = (WEIGHTS, NETWORK)
_NOBODYS = (".gitattributes", CARD)  # what a repository has that was made in the browser


def push(request: PushRequest, console: Console | None = None) -> PushResult:
    """Check a bundle, write its model card, and commit all of it at once.

    What an earlier push left in the repository and the bundle no longer has is removed by the same
    commit. Files that were uploaded before an interruption are not uploaded again.

    Raises:
        CdulEdgeError: a bundle that is damaged, holds a token or a path of this machine, or is of
            another run; no token, or one that may not write; a repository that holds something
            else; a network that is down.
    """
    console = console or LibraryConsole()
    name = parse_repository(request.repository)
    require_token()
    bundle = Bundle.load(request.bundle)
    files = {part: request.bundle / part for part in list_parts(bundle)}
    _warn_of_pictures(request, bundle, console)
    with tempfile.TemporaryDirectory(prefix="cdul-edge-push-") as folder:
        made = Path(folder)
        _make_files(request, bundle, made)
        files.update({path.name: path for path in sorted(made.iterdir())})
        size = check_contents(files.values())
        with one_line(name, request.revision):
            hub = open_hub()
            held = _prepare_repository(hub, name, request, console)
            if CARD in held and not (request.force or _is_ours(hub, name, request.revision)):
                console.warn(
                    f"the {CARD} of {request.repository} was not written by `push` and stays as it "
                    "is: --force replaces it"
                )
                size -= files.pop(CARD).stat().st_size
            console.say(f"pushing {len(files)} files, {size / 1e6:.1f} MB")
            commit = _commit(hub, name, request, files, held)
    url = f"{hub.endpoint}/{name}"
    return PushResult(url, commit, tuple(sorted(files)), size)


def _warn_of_pictures(request: PushRequest, bundle: Bundle, console: Console) -> None:
    reference = bundle.reference()
    check_names(request.bundle / REFERENCE, reference.names)
    if not request.private:
        console.warn(
            f"{REFERENCE} holds {len(reference.names)} images that `verify` compares with, and "
            "everybody who may see the repository sees them: --private makes it private"
        )


def _make_files(request: PushRequest, bundle: Bundle, folder: Path) -> None:
    run = None
    if request.run is not None:
        with extra_imports("train", "pushing a run's weights"):
            from cdul_edge.hub.weights import read_run, write_weights

            run = read_run(request.run, bundle)
            write_weights(request.run, folder)
    write_card(folder / CARD, request, bundle, run)


@dataclass(frozen=True)
class _Remote:
    """What a repository is before the push."""

    files: frozenset[str]
    private: bool


def _look(hub: HfApi, name: str, revision: str) -> _Remote | None:
    """The repository at a branch, or at its main one where there is no such branch."""
    for at in dict.fromkeys((revision, None)):
        try:
            info = hub.model_info(name, revision=at)
        except RevisionNotFoundError:
            continue
        except RepositoryNotFoundError:
            return None
        names = frozenset(one.rfilename for one in info.siblings or ())
        return _Remote(names, bool(info.private))
    return _Remote(frozenset(), False)


def _prepare_repository(
    hub: HfApi, name: str, request: PushRequest, console: Console
) -> frozenset[str]:
    """Make it where it is not there; returns what it holds."""
    remote = _look(hub, name, request.revision)
    if remote is None:
        hub.create_repo(name, private=request.private or None, exist_ok=True)
        console.say(f"made {request.repository}")
        remote = _look(hub, name, "main") or _Remote(frozenset(), request.private)
    if request.private and not remote.private:
        raise CdulEdgeError(
            f"{request.repository} exists and is public, and nothing was pushed: make it private "
            "in its settings, or leave out --private"
        )
    if not request.force and not remote.files <= set(_NOBODYS):
        try:
            read_remote_manifest(hub, name, request.revision)
        except BundleError as error:
            raise CdulEdgeError(
                f"{request.repository} holds something else than a bundle ({error}), and nothing "
                "was pushed: choose another name, or push into it with --force"
            ) from error
        except RevisionNotFoundError:
            pass  # a new branch of a repository
    if request.revision != "main":
        hub.create_branch(name, branch=request.revision, exist_ok=True)
    return remote.files


def _is_ours(hub: HfApi, name: str, revision: str) -> bool:
    card = Path(hub.hf_hub_download(name, CARD, revision=revision))
    return MARK in card.read_text(encoding="utf-8", errors="replace")


def _commit(
    hub: HfApi, name: str, request: PushRequest, files: dict[str, Path], held: frozenset[str]
) -> str:
    gone = [
        old for old in sorted(held) if (is_part(old) or old in _OURS_BESIDE) and old not in files
    ]
    operations: Sequence[CommitOperationAdd | CommitOperationDelete] = [
        *(CommitOperationAdd(part, path) for part, path in sorted(files.items())),
        *(CommitOperationDelete(old) for old in gone),
    ]
    info = hub.create_commit(
        name,
        list(operations),
        commit_message=f"Push the bundle {request.bundle.resolve().name} with cdul-edge",
        revision=request.revision,
    )
    return info.oid

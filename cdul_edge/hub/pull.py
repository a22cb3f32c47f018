"""`cdul-edge pull`: a bundle from a repository of the Hub, checked to the last byte."""

from __future__ import annotations

import shutil
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import RemoteEntryNotFoundError

from cdul_edge.hub.address import parse_repository
from cdul_edge.hub.connection import one_line, open_hub
from cdul_edge.hub.contents import check_precisions, choose_parts
from cdul_edge.hub.request import PullRequest, PullResult
from cdul_edge_runtime.bundle.bundle import MANIFEST, Bundle
from cdul_edge_runtime.bundle.folder_kind import BUNDLE_FOLDER
from cdul_edge_runtime.bundle.manifest import Manifest
from cdul_edge_runtime.errors import BundleError, CdulEdgeError
from cdul_edge_runtime.host.console import Console, LibraryConsole
from cdul_edge_runtime.host.files import new_directory, parse_json, refuse_existing


def pull(request: PullRequest, console: Console | None = None) -> PullResult:
    """Download a bundle and check each file by the digest that its manifest or record has.

    Files come by way of the Hub's cache on this machine, so that an interrupted pull goes on where
    it was; `out` appears as a whole, or not at all.

    Raises:
        CdulEdgeError: a repository that is not there, or holds no bundle; a file that is not the
            one that its record names; an `out` that is taken; a network that is down.
    """
    console = console or LibraryConsole()
    name = parse_repository(request.repository)
    refuse_existing(request.out, BUNDLE_FOLDER, force=request.force)
    with one_line(name, request.revision):
        hub = open_hub()
        info = hub.model_info(name, revision=request.revision)
        commit = info.sha or request.revision
        try:
            manifest = read_remote_manifest(hub, name, commit)
            held = {one.rfilename for one in info.siblings or ()}
            wanted = choose_parts(manifest, held)
        except BundleError as error:
            raise BundleError(f"{request.repository} holds no bundle: {error}") from error
        missing = [part for part in wanted if part not in held]
        if missing:
            raise BundleError(
                f"{request.repository} lacks {', '.join(missing)}, which its {MANIFEST} names: "
                "push it again"
            )
        console.say(f"pulling {len(wanted)} files of commit {commit[:12]}")
        with new_directory(request.out, BUNDLE_FOLDER, force=request.force) as folder:
            for part in wanted:
                cached = hub.hf_hub_download(name, part, revision=commit)
                shutil.copyfile(cached, folder / part)
            _check(folder, request)
            size = sum((folder / part).stat().st_size for part in wanted)
    return PullResult(request.out, commit, tuple(wanted), size)


def read_remote_manifest(hub: HfApi, name: str, revision: str) -> Manifest:
    """The manifest of a repository.

    Raises:
        BundleError: it has none, or one of another program or format.
    """
    try:
        file = Path(hub.hf_hub_download(name, MANIFEST, revision=revision))
    except RemoteEntryNotFoundError as error:
        raise BundleError(f"it has no {MANIFEST}") from error
    try:
        return Manifest.from_dict(parse_json(file.read_bytes(), MANIFEST))
    except BundleError as error:
        raise BundleError(f"its {MANIFEST} {error}") from error
    except CdulEdgeError as error:
        raise BundleError(f"its {error}") from error


def _check(folder: Path, request: PullRequest) -> None:
    try:
        check_precisions(Bundle.load(folder))
    except BundleError as error:
        told = str(error).replace(f"{folder}/", "").replace(f"{folder}: ", "")
        raise BundleError(
            f"{request.repository} is damaged ({told}), and nothing was written to {request.out}"
        ) from error

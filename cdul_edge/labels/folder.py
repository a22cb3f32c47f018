"""What a labels folder says of itself, and whether its files are the ones it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cdul_edge import __version__
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from cdul_edge_runtime.host.files import read_json, sha256_file, write_json
from cdul_edge_runtime.host.ownership import FolderKind

FORMAT = 1
MANIFEST = "manifest.json"
_KIND = "labels"
LABELS_FOLDER = FolderKind(
    "labels folder",
    MANIFEST,
    (
        MANIFEST,
        "pictures.parquet",
        "pseudo_labels.parquet",
        "similarities/part-*.parquet",
        "embeddings/part-*.parquet",
    ),
)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a labels folder; None where there is no manifest.

    Raises:
        LabelsError: it is damaged, of another kind, or of another format.
    """
    file = folder / MANIFEST
    if not file.is_file():
        return None
    try:
        manifest = read_json(file)
    except CdulEdgeError as error:
        raise LabelsError(str(error)) from error
    if not isinstance(manifest, dict) or manifest.get("kind") != _KIND:
        raise LabelsError(f"{file} is not the manifest of a labels folder")
    if manifest.get("format") != FORMAT:
        raise LabelsError(
            f"{folder} has labels format {manifest.get('format')}, made by cdul-edge "
            f"{manifest.get('version')}; this program reads {FORMAT}: label again into another "
            "folder, or use the program that made it"
        )
    return manifest


def write_manifest(folder: Path, content: dict[str, Any], files: list[str]) -> None:
    """Write the manifest; `files` are recorded with digest and size, relative to `folder`."""
    recorded = {
        name: {"sha256": sha256_file(folder / name), "bytes": (folder / name).stat().st_size}
        for name in files
    }
    head = {"format": FORMAT, "kind": _KIND, "program": "cdul-edge", "version": __version__}
    write_json(folder / MANIFEST, {**head, **content, "files": recorded})


def check_labels_folder(folder: Path) -> None:
    """Refuse an unfinished folder, and one whose files are missing or cut.

    A folder without a manifest passes: nothing is claimed of its files.

    Raises:
        LabelsError: naming the files at fault.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return
    if not manifest.get("complete"):
        raise LabelsError(
            f"{folder} is not finished: the same `cdul-edge label` command goes on where it stopped"
        )
    refuse_faults(folder, find_faults(folder, manifest))


def find_faults(folder: Path, manifest: dict[str, Any], *, digests: bool = False) -> dict[str, str]:
    """Files of the manifest that are missing, cut or, by digest, changed: name to what is wrong."""
    faults = {}
    for name, recorded in manifest["files"].items():
        file = folder / name
        if not file.is_file():
            faults[name] = "is missing"
        elif (size := file.stat().st_size) != recorded["bytes"]:
            faults[name] = f"has {size} bytes, expected {recorded['bytes']}"
        elif digests and sha256_file(file) != recorded["sha256"]:
            faults[name] = "is not the file that was written"
    return faults


def refuse_faults(folder: Path, faults: dict[str, str]) -> None:
    """Raise `LabelsError` naming the first of the faults, if there are any."""
    if not faults:
        return
    named = [f"{name} {fault}" for name, fault in faults.items()]
    more = f"; and {len(named) - 5} more" if len(named) > 5 else ""
    raise LabelsError(
        f"{folder} is damaged: {'; '.join(named[:5])}{more}: run the same `cdul-edge label` "
        "command with --repair"
    )

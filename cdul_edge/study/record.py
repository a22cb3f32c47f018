"""study.json: what every cell of a study's folder depends on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cdul_edge.study.request import StudyRequest
from cdul_edge.training.config import current_settings
from cdul_edge.version import __version__
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.host.folder_lock import LOCK

FORMAT = 1
RECORD = "study.json"


def settle_folder(request: StudyRequest) -> None:
    """Begin a study in its folder, which exists and is locked, or continue the one there.

    Raises:
        CdulEdgeError: the folder holds something else, or a study of other settings.
    """
    out, wanted = request.out, request.to_dict()
    record = out / RECORD
    if record.is_file():
        found = read_json(record)
        stored = current_settings(_parse_settings(found, record))
        different = [
            f"{key} {stored.get(key)} (now {wanted.get(key)})"
            for key in {**stored, **wanted}
            if stored.get(key) != wanted.get(key)
        ]
        if different and _holds_more(out):
            raise CdulEdgeError(
                f"{out} holds a study of other settings: {', '.join(different)}: choose another "
                "--out"
            )
        if not different:
            return
        # Nothing was made with the former settings, because the data did not fit, for example.
    elif _holds_more(out):
        raise CdulEdgeError(f"{out} exists and holds no study: choose another --out")
    about = {"format": FORMAT, "program": "cdul-edge", "version": __version__}
    write_json(record, {**about, "settings": wanted})


def _holds_more(out: Path) -> bool:
    return any(entry.name not in (LOCK, RECORD) for entry in out.iterdir())


def _parse_settings(found: object, record: Path) -> Mapping[str, object]:
    settings = found.get("settings") if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or found.get("format") != FORMAT:
        raise CdulEdgeError(
            f"{record} is not of format {FORMAT}: use the program that made it, or choose "
            "another --out"
        )
    if not isinstance(settings, Mapping):
        raise CdulEdgeError(f"{record} is damaged (it has no settings): choose another --out")
    return settings

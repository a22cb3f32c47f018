"""`--json FILE` or `--json -`: the same in every command."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from cdul_edge.cli.output.streams import data_stdout
from cdul_edge.version import __version__
from cdul_edge_runtime.host.files import refuse_existing, write_json
from cdul_edge_runtime.host.ownership import PROGRAM, FileKind

# Other JSON files of this program, which its folders need, begin with another name.
_REPORT = re.compile(rb'\s*\{\s*"program": "' + PROGRAM.encode() + b'"')
# What 0.1 wrote into its reports behind their format.
_REPORTING_STAGES = ("verify", "bench")


def write_summary(target: Path, content: Mapping[str, object]) -> None:
    """Write `content` as JSON to a file, atomically, or to stdout where `target` is "-".

    The document says that this program wrote it, and only such a file is replaced.

    Raises:
        CdulEdgeError: `target` is another program's file.
    """
    document = {"program": PROGRAM, "version": __version__, **content}
    if str(target) == "-":
        print(json.dumps(document, indent=2, ensure_ascii=False), file=data_stdout())
        return
    refuse_foreign_json(target, content)
    write_json(target, document)


def refuse_foreign_json(target: Path, content: Mapping[str, object] | None = None) -> None:
    """Refuse to replace a file that is no report of this program.

    Args:
        target: what `--json` names.
        content: what is to be written. Reports of 0.1 name no program, and are known by the names
            at their top. None, before anything is known, lets every JSON object pass.

    Raises:
        CdulEdgeError: `target` is another program's file.
    """
    names = set(content or ())

    def is_report(beginning: bytes) -> bool:
        if _REPORT.match(beginning):
            return True
        try:
            document = json.loads(beginning)
        except (ValueError, RecursionError):
            return False
        if not isinstance(document, dict):
            return False
        if "program" in document:  # else a manifest or another part of a folder of ours
            return document["program"] == PROGRAM and document.get("stage") in _REPORTING_STAGES
        return names <= document.keys()

    refuse_existing(target, FileKind("report", is_report), force=True)

"""Files of truth that evaluations on the page name."""

from __future__ import annotations

from pathlib import Path

from cdul_edge.reporting.inputs import Inputs
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json


def named_truths(inputs: Inputs) -> list[Path]:
    """Those that are still there, in the order of the evaluations."""
    found = []
    for one in inputs.of("evaluation"):
        try:
            content: object = read_json(one.path)
        except (CdulEdgeError, OSError):
            continue  # its own section says what is wrong with it
        named = content.get("truth") if isinstance(content, dict) else None
        if isinstance(named, str) and Path(named).exists():
            found.append(Path(named))
    return list(dict.fromkeys(found))

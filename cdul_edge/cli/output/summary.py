"""`--json FILE` or `--json -`: the same in every command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from cdul_edge.cli.output.streams import data_stdout
from cdul_edge_runtime.host.files import write_json


def write_summary(target: Path, content: Mapping[str, object]) -> None:
    """Write `content` as JSON to a file, atomically, or to stdout where `target` is "-"."""
    if str(target) == "-":
        print(json.dumps(content, indent=2, ensure_ascii=False), file=data_stdout())
    else:
        write_json(target, content)

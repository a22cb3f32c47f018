"""`--json FILE` or `--json -`: the same in every command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cdul_edge_runtime.host.files import write_json


def write_summary(target: Path, content: dict[str, Any]) -> None:
    """Write `content` as JSON to a file, atomically, or to stdout where `target` is "-"."""
    if str(target) == "-":
        print(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        write_json(target, content)

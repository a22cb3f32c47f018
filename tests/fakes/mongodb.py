"""A MongoDB of the tests' own, for FiftyOne's real database.

FiftyOne by itself would join the database of any other FiftyOne that runs on this machine.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

_STARTS_WITHIN_S = 60


def find_mongod() -> Path | None:
    """The server that lies in FiftyOne's package, else the system's."""
    found = find_spec("fiftyone")
    places = [] if found is None else found.submodule_search_locations or []
    ours = [Path(place) / "db/bin/mongod" for place in places]
    system = shutil.which("mongod")
    candidates = [path for path in ours if path.is_file()] + ([Path(system)] if system else [])
    return candidates[0] if candidates else None


@contextmanager
def started_mongodb(mongod: Path, folder: Path) -> Iterator[str]:
    """A server that keeps its files in the folder and runs while the block does; its address."""
    database, log = folder / "database", folder / "mongod.log"
    database.mkdir(parents=True)
    places = ["--dbpath", str(database), "--logpath", str(log)]
    address = ["--bind_ip", "127.0.0.1", "--port", "0", "--nounixsocket"]
    with subprocess.Popen(
        [str(mongod), *places, *address], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield f"mongodb://127.0.0.1:{_port(process, log)}"
        finally:
            process.kill()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """Which port it was given, as its log says once it waits for connections."""
    ends = time.monotonic() + _STARTS_WITHIN_S
    while process.poll() is None and time.monotonic() < ends:
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.is_file() else []
        for line in lines:
            if '"Waiting for connections"' in line and line.endswith("\n"):
                return int(json.loads(line)["attr"]["port"])
        time.sleep(0.05)
    raise AssertionError(f"mongod did not start: {log} says why")

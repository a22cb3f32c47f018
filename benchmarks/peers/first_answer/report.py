"""What every script ends with."""

import json
import time
from pathlib import Path


def report(started: float, labels: int) -> None:
    """Print one line of JSON.

    Args:
        started: `time.monotonic()` of the process that started this one, just before it did.
        labels: of the picture, so that nothing was left to be computed.
    """
    seconds = time.monotonic() - started
    status = Path("/proc/self/status").read_text()
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    found = {"first_answer_s": seconds, "rss_mib": int(kib) / (1 << 10), "labels": labels}
    print(json.dumps(found))

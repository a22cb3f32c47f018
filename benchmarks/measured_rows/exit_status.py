"""How a benchmark that takes minutes ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType

from cdul_edge_runtime.errors import CdulEdgeError


def exit_status(run: Callable[[], int], when_interrupted: str) -> int:
    """What `run` returns; 2 where it cannot start, 130 where it was interrupted.

    Args:
        run: SIGTERM stops it, and the child that it waits for, as Ctrl-C does.
        when_interrupted: what to say then.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return run()
    except (CdulEdgeError, OSError) as error:  # such as an --out that is a file, or a full disk
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"interrupted: {when_interrupted}", file=sys.stderr)
        return 130


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt

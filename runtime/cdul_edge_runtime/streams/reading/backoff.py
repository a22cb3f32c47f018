"""How long to wait before a lost source is tried again."""

from __future__ import annotations

import random

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
HEALTHY_S = 10.0
JITTER = 0.2


class Backoff:
    """Waits of 0.5, 1, 2 … 30 seconds, each 20 % shorter or longer by chance.

    Cameras behind one switch come back together: without chance they would be asked together, too.
    """

    def __init__(self) -> None:
        self._next_s = FIRST_WAIT_S

    def wait_s(self, healthy_s: float) -> float:
        """Seconds until the next try.

        Args:
            healthy_s: how long frames came since the last try; ten seconds begin the waits anew.
        """
        if healthy_s >= HEALTHY_S:
            self._next_s = FIRST_WAIT_S
        wait_s = self._next_s * random.uniform(1 - JITTER, 1 + JITTER)
        self._next_s = min(2 * self._next_s, LONGEST_WAIT_S)
        return wait_s

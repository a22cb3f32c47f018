"""A console for tests that read what a person would have read."""

from __future__ import annotations

from cdul_edge_runtime.host.console import SilentConsole


class RecordedConsole(SilentConsole):
    """Keeps its lines for a test to read."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)

    def warn(self, line: str) -> None:
        self.warned.append(line)

"""The command line: one thin file per command; heavy imports stay inside the command."""

from cdul_edge.cli.app import app

__all__ = ["app"]

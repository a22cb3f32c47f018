"""`python -m cdul_edge.cli`, the same as the `cdul-edge` command."""

from cdul_edge.cli import app

app()

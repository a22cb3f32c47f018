"""`python -m benchmarks.tables`: write every page that shows figures."""

from __future__ import annotations

from benchmarks.tables.pages import write_pages

if __name__ == "__main__":
    write_pages()

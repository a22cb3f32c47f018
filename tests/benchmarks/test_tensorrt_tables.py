from __future__ import annotations

from benchmarks.tables.pages import PAGES


def test_the_prose_on_rtx_says_what_its_table_does() -> None:
    """On RTX, int8 runs twice the kernels of fp16 and moves twice the data."""
    (page,) = (page for page in PAGES if page.file.name == "precision.md")
    text = page.file.read_text(encoding="utf-8")
    rows = {line.split(" | ")[0].strip("| `"): line.split(" | ") for line in text.splitlines()}
    fp16, int8 = (
        [float(cell) for cell in (rows[file][3], rows[file][5].strip(" |"))]
        for file in ("fp16", "int8")
    )
    assert all(1.8 < more / less < 2.2 for more, less in zip(int8, fp16, strict=True))

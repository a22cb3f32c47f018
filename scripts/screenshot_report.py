"""Photograph a part of a report in Chromium: docs/report.png, of the demo's.

    make demo
    python -m scripts.screenshot_report demo-out/report.html

It needs a browser and playwright (`tests/fakes/chromium.py` says which); the letters are those of
the machine.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from PIL import Image

from tests.fakes.chromium import started_chromium, why_no_browser

ROOT = Path(__file__).parents[1]
WIDTH_PX, MARGIN_PX = 1100, 16
COLORS = 256  # a palette: a third of the bytes


def main() -> None:
    """Open the page, and cut out the section of a class."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--class", dest="name", default="star", help="the class to show")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "report.png")
    options = parser.parse_args()
    if (reason := why_no_browser()) is not None:
        raise SystemExit(f"screenshot_report {reason}")
    photograph(options.report, options.name, options.out)


def photograph(report: Path, name: str, out: Path) -> None:
    """Write the section of the class as a PNG with a palette."""
    with started_chromium() as browser, browser.open(report) as opened:
        opened.show(width=WIDTH_PX)
        heading = opened.page.get_by_role("heading", name=name, exact=True, level=4)
        if heading.count() != 1:
            raise SystemExit(f"{report} shows no class {name!r} in full: name another --class")
        box = heading.locator("xpath=ancestor::section[1]").bounding_box()
        assert box is not None  # it is shown
        box["x"] -= MARGIN_PX
        box["width"] += 2 * MARGIN_PX
        png = opened.page.screenshot(full_page=True, clip=box)
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    palette = picture.quantize(COLORS, method=Image.Quantize.FASTOCTREE)
    picture = picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    picture.save(out, optimize=True)
    print(f"{out}: {picture.width} x {picture.height}, {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

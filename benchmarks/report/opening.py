"""What Chromium says of a page about 5,000 images: time, requests, complaints, and layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.measured_rows.figures import Figure, Measured, at_most, stated
from benchmarks.measured_rows.row import Setting
from benchmarks.report.labels import PICTURES, find_labels
from benchmarks.report.making import (
    PEAK,
    Made,
    Verb,
    differing_bytes,
    make_page,
    other_surroundings,
)
from tests.fakes.chromium import NARROW_PX, PAPER_PX, Chromium, OpenPage, started_chromium

_LOADED_MS = "performance.getEntriesByType('navigation')[0].loadEventEnd"
# Every picture decoded, and two frames drawn: what people wait for. A broken one is an error.
_DRAWN_MS = """async () => {
    const all = [...document.querySelectorAll("img, image")];
    await Promise.all(all.map(one => one.decode()));
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    return performance.now();
}"""
NOTES = (
    "opening: a new window without a cache, from a file, no network; drawn means every picture "
    "decoded and two frames painted",
    "made twice: in another folder, with another PYTHONHASHSEED, TZ, LC_ALL, and HOME",
    PEAK,
)


@dataclass
class _Opened:
    """What a browser said, opening after opening."""

    loaded_s: list[float] = field(default_factory=list)
    drawn_s: list[float] = field(default_factory=list)
    requests: int = 0
    errors: int = 0
    pdf_mb: float = 0.0
    violations: dict[str, int] = field(default_factory=dict)
    overflow_px: dict[str, int] = field(default_factory=dict)


def measure_opening(verb: Verb, classes: int, setting: Setting) -> Measured:
    """Make it twice, then open it as often as there are rounds."""
    labels = find_labels(setting, PICTURES, classes)
    made = make_page(verb, labels, setting.work / f"{verb}.html")
    other = setting.work / "elsewhere"
    other.mkdir(exist_ok=True)
    again = make_page(verb, labels, other / made.page.name, other_surroundings())
    with started_chromium() as browser:
        opened = _open(browser, made.page, setting.rounds)
        notes = (*NOTES, f"Chromium {browser.version}, Debian's, without a screen")
    return Measured(tuple(_figures(made, again, opened)), notes)


def _open(browser: Chromium, page: Path, rounds: int) -> _Opened:
    found = _Opened()
    for _ in range(rounds):
        with browser.open(page) as opened:
            found.drawn_s.append(opened.page.evaluate(_DRAWN_MS) / 1000)
            found.loaded_s.append(opened.page.evaluate(_LOADED_MS) / 1000)
            found.requests += len(opened.requests)
            found.errors += len(opened.errors)
    with browser.open(page) as opened:
        _judge(opened, found)
    return found


def _judge(opened: OpenPage, found: _Opened) -> None:
    """In other colors and widths, and on paper."""
    opened.show(colors="dark")
    found.violations["dark"] = len(opened.violations())
    opened.show()
    found.violations["light"] = len(opened.violations())
    opened.show(width=NARROW_PX)
    found.overflow_px["at 400 px"] = opened.overflow_px()
    opened.show(width=PAPER_PX, media="print")
    found.overflow_px["in print"] = opened.overflow_px()
    found.pdf_mb = len(opened.page.pdf()) / 1e6
    found.errors += len(opened.errors)


def _figures(made: Made, again: Made, opened: _Opened) -> Iterator[Figure]:
    size, differing = made.page.stat().st_size / 1e6, differing_bytes(made.page, again.page)
    yield at_most(5, "size", "size", "MB", size)
    yield at_most(2, "loaded", "opened, to the load event", "s", *opened.loaded_s)
    yield at_most(2, "drawn", "opened, every picture drawn", "s", *opened.drawn_s)
    yield at_most(0, "requests", "requests", "", opened.requests)
    yield at_most(0, "errors", "console errors", "", opened.errors)
    for colors, count in opened.violations.items():
        yield at_most(0, f"axe-{colors}", f"axe violations, {colors}", "", count)
    for where, pixels in opened.overflow_px.items():
        key = "overflow-" + where.partition(" ")[2].replace(" ", "")
        yield at_most(0, key, f"wider than the window {where}", "px", pixels)
    yield at_most(0, "twice", "made twice: differing bytes", "", differing)
    yield at_most(0, "missing", "pictures that were not found", "", made.missing)
    yield stated("pictures", "pictures on the page", "", made.pictures)
    yield stated("pdf", "printed to PDF", "MB", opened.pdf_mb)
    yield stated("time", "made", "s", made.seconds, again.seconds)
    yield stated("peak", "peak memory", "MB", made.peak_mb, again.peak_mb)


measure_12 = partial(measure_opening, "report", 12)
measure_80 = partial(measure_opening, "report", 80)
measure_1000 = partial(measure_opening, "report", 1000)
measure_review = partial(measure_opening, "review", 80)

"""A real browser: the system's Chromium or Chrome through playwright, and axe-core to check pages.

`why_no_browser` says what is missing. Pages are opened from their files and without a network; what
they ask for all the same, and what they complain about, is noted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:  # tests skip where it is not installed
    from playwright.sync_api import Browser, Page

COMMANDS = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
NARROW_PX, WIDE_PX = 400, 1100
PAPER_PX = 718  # US letter between margins of 0.5 in: narrower than A4 between those of 1 cm
_SANDBOX_OFF = "--no-sandbox"  # root has no sandbox, nor do most containers
# What a document is wider than its window: nothing may be cut or need scrolling sideways.
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_NUMBERS = "all => all.map(one => [one.dataset.at, one.getAttribute('value'), one.textContent])"
_VIOLATIONS = """async only => (await axe.run({...only, resultTypes: ["violations"]}))
    .violations.map(
    one => `${one.id}: ${one.help} (${one.nodes.map(node => node.target.join(" ")).join(", ")})`)"""


@cache
def find_browser() -> str | None:
    """The first of the commands that starts: Ubuntu's `chromium-browser` may only name a snap."""
    for name in COMMANDS:
        if (path := shutil.which(name)) is not None:
            run = subprocess.run([path, "--version"], capture_output=True, check=False)
            if run.returncode == 0:
                return path
    return None


def why_no_browser() -> str | None:
    """What is missing; None where pages can be opened."""
    missing = [name for name in ("playwright", "axe_playwright_python") if find_spec(name) is None]
    if missing:
        return f"needs {' and '.join(missing)} (pip install --group dev)"
    return None if find_browser() else f"needs one of {', '.join(COMMANDS)} (.ci/debian-packages)"


@dataclass(frozen=True)
class Number:
    """A figure of a page: where it stands in the JSON, what it is, and what people see."""

    at: str
    value: str
    shown: str


@dataclass
class OpenPage:
    """A page that was opened.

    Attributes:
        page: playwright's.
        requests: addresses it asked for, itself and what it embeds (`data:`) aside.
        errors: what its console and its scripts complained of.
    """

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def violations(self, *rules: str) -> list[str]:
        """What axe-core finds wrong, with the elements; by these of its rules, else by all."""
        self.page.evaluate(_read_axe())
        only = {"runOnly": rules} if rules else {}
        return cast("list[str]", self.page.evaluate(_VIOLATIONS, only))

    def overflow_px(self) -> int:
        """By how much the page is wider than its window."""
        return int(self.page.evaluate(_OVERFLOW))

    def numbers(self) -> list[Number]:
        """Every `<data>`, in the page's order."""
        return [Number(*one) for one in self.page.eval_on_selector_all("data", _NUMBERS)]

    def show(
        self,
        *,
        width: int = WIDE_PX,
        colors: Literal["light", "dark"] = "light",
        media: Literal["screen", "print"] = "screen",
    ) -> None:
        """The same page in another window, other colors, or on paper."""
        self.page.set_viewport_size({"width": width, "height": 800})
        self.page.emulate_media(media=media, color_scheme=colors)


class Chromium:
    """A browser that runs; made by `started_chromium`."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    @property
    def version(self) -> str:
        """Such as "156.0.8078.108"."""
        return self._browser.version

    @contextmanager
    def open(self, path: Path, *, scripts: bool = True) -> Iterator[OpenPage]:
        """Open a file in a window of its own, with storage of its own, and wait till it is loaded.

        Args:
            path: the file.
            scripts: False for a reader who turned scripts off.
        """
        context = self._browser.new_context(
            offline=True, java_script_enabled=scripts, accept_downloads=True
        )
        try:
            opened, address = OpenPage(context.new_page()), path.resolve().as_uri()
            page = opened.page

            def note_request(url: str) -> None:
                if url.partition("#")[0] != address and not url.startswith("data:"):
                    opened.requests.append(url)

            def note_message(kind: str, text: str) -> None:
                if kind in ("error", "warning"):
                    opened.errors.append(text)

            page.on("request", lambda one: note_request(one.url))
            page.on("console", lambda one: note_message(one.type, one.text))
            page.on("pageerror", lambda one: opened.errors.append(str(one)))
            opened.show()
            page.goto(address, wait_until="load")
            yield opened
        finally:
            context.close()


@contextmanager
def started_chromium() -> Iterator[Chromium]:
    """Start one, and end it with all its processes.

    While it runs, no other code of this process can use asyncio: end it before other tests begin.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # In the locale C it neither stores nor downloads into a folder whose name is not ASCII.
        environment: dict[str, str | float | bool] = {**os.environ, "LC_ALL": "C.UTF-8"}
        browser = playwright.chromium.launch(
            executable_path=find_browser(), args=[_SANDBOX_OFF], env=environment
        )
        try:
            yield Chromium(browser)
        finally:
            browser.close()


@cache
def _read_axe() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")

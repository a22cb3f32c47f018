"""A report as people see it: in a real browser, in any window, on paper, and without scripts.

The first test shows that these checks can fail. What is shown is what an earlier version made, and
what only today's version makes of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")
pytest.importorskip("pyarrow")

from cdul_edge.cli import app
from cdul_edge.labels.labels_writer import LabelsWriter
from cdul_edge.reporting.report import report
from cdul_edge.reporting.request import ReportRequest
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.child_python import child_command, child_environment
from cdul_edge_runtime.host.console import SilentConsole
from tests.fakes.chromium import NARROW_PX, PAPER_PX, Number, OpenPage
from tests.fakes.json_pointer import find_value

MADE = Path(__file__).parents[1] / "fixtures" / "b501723" / "made.tar.xz"
FOLDERS = ("labels", "run", "bundle")
FILES = ("verify.json", "bench.json", "evaluated.json", "predictions.jsonl")
INPUTS = FOLDERS + FILES
SHOWN = ("star", "house")  # in full: the page has what it has of all classes, and is quick
# Places whose figures stand in the stage's own JSON too, under the same names.
STAGES = {
    "/sections/verify/": "verify.json",
    "/sections/bench/": "bench.json",
    "/sections/evaluation/metrics/": "evaluated.json",
}
FAULTY = """<!doctype html><title>Faulty</title><img src="https://example.com/picture.png">
<p style="color: #aaa; background: #bbb; width: 900px">Gray on gray: <data value="0.5"
data-at="/a/b">50</data></p><script>console.error("told"); throw new Error("thrown")</script>"""
CLASSES = (
    "<script>alert(1)</script>",
    '"onmouseover="alert(1)',
    "$x$",
    "two\nlines",
    "\u202egnp.exe",
    "x" * 300,
    "{{ 7 * 7 }}",
    "a\x00\r\x1b[31mb",
)
PATHS = (
    'a "quoted\' picture".jpg',
    "two\nlines.jpg",
    "javascript:alert(1).jpg",
    "<img src=x onerror=alert(1)>.jpg",
    "&amp;%2e#?.jpg",
)
NOT_UTF8 = os.fsdecode(b"caf\xe9.jpg")
# What a page says instead of signs that HTML cannot hold, and of bytes that are no text.
SPELLED = str.maketrans(
    {
        "\x00": "\\x00",
        "\r": "\\x0d",
        "\x1b": "\\x1b",
        "\udce9": "\\udce9",
    }
)
# Cells and lines that are a number, with or without a unit, and do not say where it stands.
STRAY = r"""() => {
    const found = [], exempt = "header *, data, code, pre, svg, dd, th, .name";
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const text = walk.currentNode.textContent.trim();
        const inside = walk.currentNode.parentElement.closest(exempt);
        if (/^[-+]?\d[\d.,]*\s?(%|x|s|ms|[kMG]i?B)?$/.test(text) && !inside) found.push(text);
    }
    return found;
}"""


def run(*words: str) -> None:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the earlier version worked."""
    folder = tmp_path_factory.mktemp("made")
    with tarfile.open(MADE) as archive:
        archive.extractall(folder, filter="data")
    bundle = str(folder / "bundle")
    run("evaluate", str(folder / "labels"), "--truth", str(folder / "world/train_truth.csv"),
        "--json", str(folder / "evaluated.json"))  # fmt: skip
    run(
        "verify",
        bundle,
        "--precision",
        "all",
        "--repeats",
        "1",
        "--json",
        str(folder / "verify.json"),
    )
    run("bench", bundle, "--warm-up", "0", "--repeats", "1", "--json", str(folder / "bench.json"))
    return folder


@pytest.fixture(scope="module")
def everything(made: Path) -> Path:
    """A report of all of it, and its figures beside it."""
    out = made / "report.html"
    inputs = tuple(made / name for name in INPUTS)
    figures = out.with_suffix(".json")
    request = ReportRequest(inputs, out, images=made, class_names=SHOWN, json=figures)
    report(request, SilentConsole())
    return out


def test_what_is_wrong_with_a_page_is_seen(
    open_page: Callable[..., OpenPage], tmp_path: Path
) -> None:
    file = tmp_path / "faulty page.html"
    file.write_text(FAULTY, encoding="utf-8")
    opened = open_page(file)
    assert opened.requests == ["https://example.com/picture.png"]
    told = "\n".join(opened.errors)
    assert [one for one in ("told", "thrown", "net::ERR") if one not in told] == []
    rules = {one.partition(":")[0] for one in opened.violations()}
    assert {"color-contrast", "image-alt", "html-has-lang"} <= rules
    assert opened.overflow_px() == 0
    opened.show(width=NARROW_PX)
    assert opened.overflow_px() > 400
    assert opened.numbers() == [Number("/a/b", "0.5", "50")]


def test_it_is_in_order_in_every_window_and_on_paper(
    open_page: Callable[..., OpenPage], everything: Path
) -> None:
    opened = open_page(everything)
    figures = json.loads(everything.with_suffix(".json").read_text(encoding="utf-8"))
    shown = opened.page.locator("main h2[id]").evaluate_all("all => all.map(one => one.id)")
    assert set(figures["sections"]) <= set(shown)
    # Within the first window: what came out of each.
    summary = opened.page.locator(".summary")
    places = summary.locator("data").evaluate_all("all => all.map(one => one.dataset.at)")
    assert {place.split("/")[2] for place in places} == set(figures["sections"])
    box = summary.bounding_box()
    assert box is not None
    assert box["y"] < 200
    assert opened.violations() == []
    opened.show(colors="dark")
    assert opened.violations("color-contrast") == []
    opened.show(width=NARROW_PX)
    assert opened.overflow_px() == 0
    opened.show(width=PAPER_PX, media="print")
    assert opened.overflow_px() == 0
    assert opened.page.pdf().startswith(b"%PDF")
    assert (opened.requests, opened.errors) == ([], [])


def test_every_figure_is_that_of_the_json(
    open_page: Callable[..., OpenPage], everything: Path
) -> None:
    figures = json.loads(everything.with_suffix(".json").read_text(encoding="utf-8"))
    opened = open_page(everything)
    differing = [
        one
        for one in opened.numbers()
        if one.value != ("" if (value := find_value(figures, one.at)) is None else repr(value))
    ]
    assert differing == []
    for place, file in STAGES.items():
        own = json.loads((everything.parent / file).read_text(encoding="utf-8"))
        shown = [one for one in opened.numbers() if one.at.startswith(place) and one.value]
        values = [find_value(own, one.at[len(place) - 1 :]) for one in shown]
        assert [repr(value) for value in values] == [one.value for one in shown] != []
    assert opened.page.evaluate(STRAY) == []


def test_it_says_the_same_without_scripts(
    open_page: Callable[..., OpenPage], everything: Path
) -> None:
    with_scripts, without = open_page(everything), open_page(everything, scripts=False)
    assert without.page.inner_text("body") == with_scripts.page.inner_text("body")
    assert (without.requests, without.errors) == ([], [])


def test_two_people_who_make_it_get_the_same_bytes(made: Path, everything: Path) -> None:
    other = made / "elsewhere"
    other.mkdir()
    code = (
        "import sys; from pathlib import Path; from cdul_edge import report\n"
        "*inputs, images, out = map(Path, sys.argv[1:])\n"
        f"report(inputs=tuple(inputs), images=images, class_names={SHOWN}, out=out)"
    )
    words = (*(str(made / name) for name in INPUTS), str(made), "report.html")
    surroundings = {
        "PYTHONHASHSEED": "7",
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
        "COLUMNS": "40",
    }
    environment = {**child_environment(), **surroundings}
    subprocess.run(child_command(code, *words), env=environment, cwd=other, check=True)
    assert (other / "report.html").read_bytes() == everything.read_bytes()


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder of labels and predictions whose names would do harm, were they taken as code."""
    folder = tmp_path / '<img src=x onerror=alert(1)>"\n&amp;'
    (folder / "labels").mkdir(parents=True)
    rng = np.random.default_rng(0)
    scores = rng.random((len(PATHS), len(CLASSES)), np.float32)
    for path in (*PATHS, NOT_UTF8):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / path)
    storage = open_storage(folder / "labels")
    with LabelsWriter(storage, folder, ClassList(CLASSES)) as writer:
        writer.add(PATHS, scores, None)
        writer.seal()
        writer.finish(np.full(len(CLASSES), 0.5, np.float32), {"<b>why": "</script><b>\x00"})
    lines = []
    for path, row in zip((*PATHS[1:], NOT_UTF8), scores.astype(float).tolist(), strict=True):
        named = dict(zip(CLASSES, row, strict=True))
        lines.append(json.dumps({"path": str(folder / path), "labels": [], "scores": named}))
    (folder / "predictions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_hostile_names_are_inert_and_shown_as_they_are(
    open_page: Callable[..., OpenPage], hostile: Path
) -> None:
    out = hostile.parent / "report.html"
    report(ReportRequest((hostile,), out), SilentConsole())
    opened = open_page(out)
    told = opened.page.evaluate("document.body.textContent")
    for name in (*CLASSES, str(hostile)):
        assert name.translate(SPELLED) in told
    assert opened.page.evaluate("document.querySelectorAll('main b, img, script').length") == 0
    opened.show(width=NARROW_PX)
    assert opened.overflow_px() == 0
    assert (opened.requests, opened.errors) == ([], [])

"""The section of labels, on numbers that a person can check."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("jinja2", reason="a page is made with it")
pytest.importorskip("pyarrow", reason="labels are Parquet")

from cdul_edge.labelling import ImportRequest, Scoring, label
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.reporting.best import Best
from cdul_edge.reporting.labels import section
from cdul_edge.reporting.labels.statistics import doubt_distance
from cdul_edge.reporting.report import report
from cdul_edge.reporting.request import ReportRequest
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.console import SilentConsole
from cdul_edge_runtime.host.files import read_json, write_json
from tests.fakes.shown_page import ShownPage, show

SCORES = [
    # cat    dog    cow    owl
    [1.000, 0.750, 0.000, 0.25],
    [0.500, 0.000, 0.000, 0.25],
    [0.375, 1.000, 0.125, 0.25],
    [0.250, 0.000, 0.000, 0.25],
]
THRESHOLDS = np.array([0.5, 0.75, 0.5, np.inf], np.float32)
PATHS = ("a.png", "b.png", "c.png", "d.png")


def write_labels(folder: Path, *, classes: tuple[str, ...] = ("cat", "dog", "cow", "owl")) -> Path:
    """A file of labels beside two of its four pictures."""
    folder.mkdir(exist_ok=True)
    for name, color in (("a.png", "red"), ("c.png", "blue")):
        Image.new("RGB", (40, 30), color).save(folder / name)
    scores = np.array(SCORES, np.float32)
    PseudoLabels(folder, PATHS, ClassList(classes), scores, THRESHOLDS).write(folder / "x.parquet")
    return folder / "x.parquet"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> ShownPage:
    """The page of those labels."""
    folder = tmp_path_factory.mktemp("report")
    return show(folder, write_labels(folder / "labels"))


def test_every_figure_is_the_one_that_the_scores_give(shown: ShownPage) -> None:
    at = "/sections/labels"
    assert [shown.at(f"{at}/classes/{c}/above") for c in range(4)] == [2, 2, 0, 0]
    assert [shown.at(f"{at}/classes/{c}/share") for c in range(4)] == [0.5, 0.5, 0.0, 0.0]
    means = [shown.at(f"{at}/classes/{c}/mean_score") for c in range(4)]
    assert means == [2.125 / 4, 1.75 / 4, 0.125 / 4, 0.25]
    # cat: 0.5 and 0.375 of 0.25 < score < 0.75; dog: 0.75 of 0.375 < score < 0.875; cow: none
    doubtful = [shown.at(f"{at}/classes/{c}/doubtful") for c in range(4)]
    assert doubtful == [0.5, 0.25, 0.0, None]
    assert shown.at(f"{at}/classes/3/threshold") is None
    assert (shown.at(f"{at}/labels"), shown.at(f"{at}/per_picture")) == (4, 1.0)
    assert (shown.at(f"{at}/without"), shown.at(f"{at}/labels_per_picture")) == (1, [1, 2, 1])
    assert shown.at(f"{at}/nobody") == ["cow", "owl"]
    assert shown.at(f"{at}/nearly_all") == []
    assert shown.at(f"{at}/empty/0/path") == "d.png"
    histogram = shown.at(f"{at}/classes/0/histogram")
    assert isinstance(histogram, list)
    assert {place: count for place, count in enumerate(histogram) if count} == {
        **{12: 1, 18: 1, 25: 1},  # 0.25, 0.375, and 0.5, in bins of 0.02
        49: 1,  # 1.0 belongs to the last
    }


def test_classes_that_occur_together_are_counted_in_pictures(shown: ShownPage) -> None:
    assert shown.at("/sections/labels/together/0") == [None, 0.5, 0.0, 0.0]
    assert shown.at("/sections/labels/together/2") == [None] * 4  # nothing shows it
    assert shown.at("/sections/labels/pairs") == [
        {"first": "cat", "second": "dog", "both": 1, "of_first": 0.5, "of_second": 0.5}
    ]


def paths_of(shown: ShownPage, kind: str, place: int) -> list[str]:
    found = shown.at(f"/sections/labels/shown/{place}/{kind}")
    assert isinstance(found, list)
    return [one["path"] for one in found]


def test_the_surest_and_the_most_doubtful_stand_first(shown: ShownPage) -> None:
    assert paths_of(shown, "surest", 0) == ["a.png", "b.png", "c.png", "d.png"]
    assert paths_of(shown, "surest", 1)[:2] == ["c.png", "a.png"]
    # d.png lies half of the way from the threshold to 0, which is no doubt
    assert paths_of(shown, "doubtful", 0) == ["b.png", "c.png"]
    assert paths_of(shown, "doubtful", 3) == []  # a class that is never named is never in doubt


def test_pictures_are_embedded_once_and_those_that_are_gone_are_named(
    shown: ShownPage, tmp_path: Path
) -> None:
    file = write_labels(tmp_path / "labels")
    assert shown.html.count("data:image/webp") == 2
    found, asked = (shown.at(f"/sections/labels/{name}") for name in ("found", "asked_for"))
    assert isinstance(found, int)
    assert isinstance(asked, int)
    assert 0 < found < asked
    assert "images could be opened; the others are named" in shown.html
    for picture in (tmp_path / "labels").glob("*.png"):
        picture.rename(tmp_path / picture.name)
    gone = show(tmp_path, file)
    assert gone.at("/sections/labels/found") == 0
    assert "No image is at hand" in gone.html
    assert "Say with --images" in gone.html
    assert gone.html.count('<svg class="chart') == shown.html.count('<svg class="chart') > 4
    moved = show(tmp_path, file, images=tmp_path)
    assert moved.at("/sections/labels/found") == found


def test_names_are_inert_and_shown_as_they_are(tmp_path: Path) -> None:
    names = ("<script>alert(1)</script>", "a\"b'c", "{{ 7 * 7 }}", "&amp;")
    page = show(tmp_path, write_labels(tmp_path / "labels", classes=names)).html
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "a&#34;b&#39;c" in page
    assert "{{ 7 * 7 }}" in page
    assert "&amp;amp;" in page


def test_of_many_classes_every_one_has_a_row_and_the_most_doubtful_have_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(section, "CHOSEN", 3)
    rng = np.random.default_rng(0)
    scores = rng.random((20, 100), dtype=np.float32) * 0.2  # below half of the threshold
    scores[:, 7] = scores[:, 93] = 0.5
    names = tuple(f"class {c}" for c in range(100))
    labels = PseudoLabels(
        tmp_path, tuple(map(str, range(20))), ClassList(names), scores, np.full(100, 0.5, "f4")
    )
    labels.write(tmp_path / "many.parquet")
    shown = show(tmp_path, tmp_path / "many.parquet")
    assert all(f">{name}<" in shown.html for name in names)
    in_full = shown.at("/sections/labels/shown")
    assert isinstance(in_full, list)
    assert len(in_full) == 3
    assert {7, 93} <= {one["index"] for one in in_full}
    assert shown.at("/sections/labels/together") == []
    pair = shown.at("/sections/labels/pairs/0")
    assert pair == {"first": "class 7", "second": "class 93", "both": 20, **dict.fromkeys(
        ("of_first", "of_second"), 1.0)}  # fmt: skip
    assert shown.at("/sections/labels/nearly_all") == ["class 7", "class 93"]
    assert "20 images, 100 classes, 2.00 labels an image" in shown.summary
    # Names that no image shows fill no page.
    assert "No image shows class 0, class 1," in shown.summary
    assert "class 10 and 88 others." in shown.summary
    assert "Nearly every image shows class 7, class 93." in shown.summary
    request = ReportRequest(
        (tmp_path / "many.parquet",), tmp_path / "one.html", class_names=("class 12",)
    )
    report(request, SilentConsole())
    page = (tmp_path / "one.html").read_text(encoding="utf-8")
    assert page.count('<svg class="chart') == 1
    assert "Scores of class 12" in page


def test_contested_are_pictures_whose_snippets_disagree_with_the_whole(tmp_path: Path) -> None:
    whole = np.full((3, 2), 0.2, np.float32)
    snippets = np.full((3, 4, 2), 0.2, np.float32)
    whole[1, 0] += 0.05  # e^5 : 1 at temperature 0.01
    snippets[2, 3, 0] += 0.05
    np.savez(
        tmp_path / "clip.npz", names=["a", "b", "c"], classes=["cat", "dog"],
        global_cosines=whole, local_cosines=snippets,
    )  # fmt: skip
    label(ImportRequest(tmp_path / "clip.npz", tmp_path / "labels", scoring=Scoring("global")))
    shown = show(tmp_path, tmp_path / "labels")
    assert shown.at("/sections/labels/contested_why") is None
    assert paths_of(shown, "contested", 0) == ["b", "c", "a"]
    high = np.exp(5) / (np.exp(5) + 1)
    at = "/sections/labels/shown/0/contested"
    assert shown.at(f"{at}/0/whole") == pytest.approx(high)
    assert shown.at(f"{at}/0/snippets") == pytest.approx(0.5)
    assert shown.at(f"{at}/1/whole") == pytest.approx(0.5)
    assert shown.at(f"{at}/1/snippets") == pytest.approx(high)
    assert "No image is at hand" in shown.html  # imported, without any picture


def test_pictures_that_could_not_be_read_are_counted_and_the_first_are_named(
    tmp_path: Path,
) -> None:
    np.savez(
        tmp_path / "clip.npz", names=["a", "b"], classes=["cat", "dog"],
        global_cosines=np.full((2, 2), 0.2, np.float32),
        local_cosines=np.full((2, 1, 2), 0.2, np.float32),
    )  # fmt: skip
    label(ImportRequest(tmp_path / "clip.npz", tmp_path / "labels", scoring=Scoring("global")))
    assert show(tmp_path, tmp_path / "labels").at("/sections/labels/unreadable") == 0
    manifest = read_json(tmp_path / "labels" / "manifest.json")
    skipped = [{"path": f"{n}<b>.jpg", "reason": "is truncated"} for n in range(25)]
    counts = {"pictures": 102, "labelled": 2, "skipped": 100}
    changed = {**manifest, "skipped": skipped, "counts": counts}
    write_json(tmp_path / "labels" / "manifest.json", changed)
    shown = show(tmp_path, tmp_path / "labels")
    assert shown.at("/sections/labels/unreadable") == 100
    assert shown.at("/sections/labels/unreadables") == skipped[:20]
    assert "0&lt;b&gt;.jpg" in shown.html
    assert "<b>.jpg" not in shown.html


def test_without_a_store_the_page_says_that_it_shows_no_contested_pictures(
    shown: ShownPage,
) -> None:
    told = "Contested images are not shown: the similarities are not in this folder."
    assert told in shown.html


def test_the_best_rows_are_those_of_a_stable_sort_whatever_the_batches() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 20, (300, 5)).astype(np.float32)  # many are equal
    best = Best(8, 5)
    for start in range(0, 300, 37):
        best.add(values[start : start + 37], start)
    for c in range(5):
        rows = np.argsort(-values[:, c], kind="stable")[:8]
        assert best.of(c) == [(row, float(values[row, c])) for row in rows.tolist()]
    assert Best(3, 1).of(0) == []


def test_doubt_is_a_share_of_the_way_from_the_threshold_to_0_or_1() -> None:
    scores = np.array([[0.0, 0.5, 0.0], [0.25, 0.75, 0.5], [0.75, 0.875, 1.0]], np.float32)
    thresholds = np.array([0.5, 0.75, np.inf], np.float32)
    expected = [[1.0, 1 / 3, np.inf], [0.5, 0.0, np.inf], [0.5, 0.5, np.inf]]
    assert doubt_distance(scores, thresholds) == pytest.approx(np.array(expected))
    ends = doubt_distance(np.array([[0.0, 1.0]], np.float32), np.array([0.0, 1.0], np.float32))
    assert ends.tolist() == [[0.0, 0.0]]


def test_labels_of_one_name_have_their_paths_as_headings(tmp_path: Path) -> None:
    one, two = write_labels(tmp_path / "one"), write_labels(tmp_path / "two")
    other = two.rename(two.with_name("y.parquet"))
    page = show(tmp_path, one, other)
    assert "Labels: x.parquet" in page.summary
    assert "Labels: y.parquet" in page.summary
    other.rename(two)
    page = show(tmp_path, one, two)
    assert f"Labels: {one}" in page.summary
    assert f"Labels: {two}" in page.summary


def test_similarities_at_which_classes_look_alike_contest_nothing(tmp_path: Path) -> None:
    exp = np.exp(np.array([[0.3, 0.2], [0.2, 0.3], [0.2, 0.2]]))  # a temperature of 1, not of 0.01
    shares = (exp / exp.sum(axis=1, keepdims=True)).astype(np.float32)
    np.savez(
        tmp_path / "warm.npz", names=["a", "b", "c"], classes=["cat", "dog"],
        global_softmax=shares, local_max_softmax=shares, local_min_softmax=shares,
    )  # fmt: skip
    request = ImportRequest(tmp_path / "warm.npz", tmp_path / "labels", made_with=1.0)
    label(replace(request, scoring=Scoring("global", thresholds="fixed")), SilentConsole())
    shown = show(tmp_path, tmp_path / "labels")
    assert "made with the temperature 1, at which all classes look alike" in shown.html
    assert shown.at("/sections/labels/shown/0/contested") == []


def test_where_no_image_shows_two_classes_there_is_no_map_of_pairs(tmp_path: Path) -> None:
    scores = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    labels = PseudoLabels(
        tmp_path, ("a", "b"), ClassList(("cat", "dog")), scores, np.array([0.5, np.inf], "f4")
    )
    labels.write(tmp_path / "x.parquet")
    page = show(tmp_path, tmp_path / "x.parquet")
    assert "No image shows two classes." in page.html
    assert "full color" not in page.html
    # No bar of a class that is never named is as strong as those above a threshold.
    cat, dog = page.html.split('<svg class="chart"')[1:]
    assert "var(--series-1)" in cat.split("</svg>")[0]
    assert "var(--series-1)" not in dog.split("</svg>")[0]

"""`label --observed`: a few true labels correct scores, thresholds, and shares of all pictures."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdul_edge.labelling import ImportRequest, LabelRequest, Scoring, label
from cdul_edge.labelling.imported import label_imported
from cdul_edge.labelling.observed.shifted_scores import shift_scores
from cdul_edge.labelling.score.score_store import SnippetScoring, choose_scorer
from cdul_edge.labelling.store.reader import StoreReader
from cdul_edge.labels import labels_writer
from cdul_edge.labels.label_stream import FILE_NAME
from cdul_edge.labels.manifest import read_manifest
from cdul_edge.labels.observed import read_answers
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.bundle.log_odds import log_odds
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console, SilentConsole
from tests.fakes.recorded_console import RecordedConsole

CLASSES = ("cat", "dog", "cow", "fish")
N = 240


def read_label(request: ImportRequest, console: Console | None = None) -> PseudoLabels:
    """Label, and read what was written."""
    label(request, console or SilentConsole())
    return PseudoLabels.read(request.out)


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImportRequest:
    """Cosines of N pictures in which each class may be, in parts of 50."""
    monkeypatch.setattr(label_imported, "PART_PICTURES", 50)
    draws = np.random.default_rng(0)
    present = draws.random((N, 1, 4)) < 0.3
    cosines = draws.normal(0.2, 0.02, (N, 5, 4)) + 0.05 * present
    np.savez(
        tmp_path / "similarities.npz",
        names=[f"{row}.jpg" for row in range(N)],
        classes=CLASSES,
        global_cosines=cosines[:, 0].astype(np.float32),
        local_cosines=cosines[:, 1:].astype(np.float32),
    )
    return ImportRequest(tmp_path / "similarities.npz", tmp_path / "labels")


def answer(labels: PseudoLabels, file: Path, name: str, say: str, count: int = 25) -> Path:
    """`count` answers about the most doubtful pictures of a class."""
    column = labels.classes.names.index(name)
    rows = np.argsort(np.abs(log_odds(labels.scores[:, column])), kind="stable")[:count]
    text = "".join(f"{labels.paths[row]},{say}{name}\n" for row in rows)
    file.write_text(f"image_path,label\n{text}")
    return file


def answer_both(labels: PseudoLabels, folder: Path) -> tuple[Path, Path]:
    """That there are fewer dogs than the scores say, and more cats."""
    dogs = answer(labels, folder / "dogs.csv", "dog", "-")
    return dogs, answer(labels, folder / "cats.csv", "cat", "")


def test_answers_move_scores_and_thresholds_and_the_manifest_says_so(
    imported: ImportRequest, tmp_path: Path
) -> None:
    heard = RecordedConsole()
    before = read_label(imported)
    plain = (tmp_path / "labels" / FILE_NAME).read_bytes()
    files = answer_both(before, tmp_path)
    after = read_label(replace(imported, observed=files), heard)
    assert any("the similarities are in the store already" in line for line in heard.said)
    assert any(
        "observed labels: 25 present, 25 absent; 50 answers about" in one for one in heard.said
    )
    manifest = read_manifest(tmp_path / "labels")
    assert manifest is not None
    assert manifest.pseudo_labels is not None
    record = manifest.pseudo_labels["observed"]
    assert isinstance(record, dict)
    assert record["files"] == {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }
    assert (record["present"], record["absent"]) == (25, 25)
    shifts = record["shifts"]
    assert list(shifts) == list(CLASSES)
    assert shifts["dog"] < -0.5
    assert shifts["cat"] > 0.5
    moved = log_odds(after.scores) - log_odds(before.scores)
    inside = np.abs(log_odds(before.scores)) < 8
    for column, name in enumerate(CLASSES):
        assert moved[inside[:, column], column] == pytest.approx(shifts[name], abs=0.01)
    mean = after.scores.mean(axis=0) - before.scores.mean(axis=0)
    assert mean[1] < 0 < mean[0]
    # the answers themselves are no pseudo-labels
    assert not np.isin(after.scores, (0, 1)).any()
    label(imported)
    assert (tmp_path / "labels" / FILE_NAME).read_bytes() == plain


@pytest.mark.parametrize("scoring", [Scoring(), Scoring("cdul", thresholds="otsu")])
def test_labels_in_parts_are_corrected_as_those_in_one_file(
    imported: ImportRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scoring: Scoring
) -> None:
    asked = replace(imported, scoring=scoring)
    plain = read_label(asked)
    asked = replace(asked, observed=answer_both(plain, tmp_path))
    one = read_label(replace(asked, out=tmp_path / "one"))
    monkeypatch.setattr(labels_writer, "ROWS", 60)
    many = read_label(replace(asked, out=tmp_path / "many"))
    assert one.scores.tobytes() != plain.scores.tobytes()
    assert one.scores.tobytes() == many.scores.tobytes()
    assert one.thresholds.tobytes() == many.thresholds.tobytes()
    assert one.provenance == many.provenance


def test_a_set_larger_than_its_sample_is_corrected_part_by_part(
    imported: ImportRequest, tmp_path: Path
) -> None:
    labels = read_label(imported)
    manifest = read_manifest(tmp_path / "labels")
    assert manifest is not None
    store = StoreReader(tmp_path / "labels", manifest.similarities.parts)
    scorer = choose_scorer(Scoring(), manifest.similarities)
    assert isinstance(scorer, SnippetScoring)
    fitted = replace(scorer, sample=N - 40).fit(store, CLASSES)
    given = read_answers(answer_both(labels, tmp_path), labels.classes)
    shifted = shift_scores(fitted, store, given, None, SilentConsole())
    assert shifted.settings["fitted_to"] == N - 40
    assert shifted.shifts.shifts[1] < -0.5
    for index in (3, 0):
        plain, moved = fitted.apply(store, index), shifted.apply(store, index)
        assert moved.paths == plain.paths
        assert moved.scores.tobytes() == shifted.shifts.of(plain.scores).tobytes()
        assert moved.cosines.tobytes() == plain.cosines.tobytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.jpg,cow\n999.jpg,cow\n", r"names 1 picture\(s\) that are not among the 240 labeled"),
        ("1.jpg,pig\n", "names 'pig', which is no class of the labels"),
        ("1.jpg,cow\n1.jpg,-cow\n", "'cow' is both there and not there in '1.jpg'"),
        ("1.jpg,\n", "nothing is known in it"),
    ],
)
def test_answers_that_do_not_fit_are_one_line_and_the_labels_stay(
    imported: ImportRequest, tmp_path: Path, text: str, message: str
) -> None:
    label(imported)
    before = (tmp_path / "labels" / FILE_NAME).read_bytes()
    file = tmp_path / "seen.csv"
    file.write_text(f"image_path,label\n{text}")
    with pytest.raises(CdulEdgeError, match=rf"seen\.csv.*{message}") as caught:
        label(replace(imported, observed=(file,)))
    assert "\n" not in str(caught.value)
    assert (tmp_path / "labels" / FILE_NAME).read_bytes() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.png,cat\n999.png,cat\n", r"names 1 picture\(s\) that are not among the 2 labeled"),
        ("1.png,cat\n1.png,-cat\n", "'cat' is both there and not there in '1.png'"),
    ],
)
def test_answers_that_do_not_fit_a_folder_are_refused_before_clip_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("1.png", "2.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / name)
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "seen.csv").write_text(f"image_path,label\n{text}")
    monkeypatch.setitem(sys.modules, "cdul_edge.labelling.fill_store", None)
    request = LabelRequest(
        tmp_path / "photos", tmp_path / "classes.txt", tmp_path / "out", "demo",
        observed=(tmp_path / "seen.csv",),
    )  # fmt: skip
    with pytest.raises(CdulEdgeError, match=message):
        label(request)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_answers_about_sure_scores_change_nothing_and_say_so(
    imported: ImportRequest, tmp_path: Path
) -> None:
    heard = RecordedConsole()
    asked = replace(imported, scoring=Scoring(strategy="cdul", temperature="0.002"))
    before = read_label(asked)
    odds = log_odds(before.scores)
    row, column = np.unravel_index(int(np.argmax(np.abs(odds))), odds.shape)
    assert abs(odds[row, column]) > 6
    file = tmp_path / "seen.csv"
    file.write_text(f"image_path,label\n{before.paths[row]},{CLASSES[column]}\n")
    after = read_label(replace(asked, observed=(file,)), heard)
    np.testing.assert_allclose(after.scores, before.scores, rtol=1e-6)
    assert any(
        "no answer is about a doubtful entry (cdul-edge review finds some): the scores stay" in one
        for one in heard.said
    )

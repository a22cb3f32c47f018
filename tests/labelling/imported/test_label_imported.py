"""CLIP outputs made elsewhere: read for what they are, and worth the same as our own."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from cdul_edge.labelling import ImportRequest, Scoring, label
from cdul_edge.labelling.imported import similarity_files
from cdul_edge.labelling.imported.similarity_files import Similarities, read_similarities
from cdul_edge.labelling.score.aggregation import Aggregation
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.labels.scored_pictures import read_scored_pictures
from cdul_edge.storage.location import Url
from cdul_edge.storage.open_storage import open_storage
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from cdul_edge_runtime.host.console import StderrConsole
from cdul_edge_runtime.metrics.metrics import evaluate_scores
from cdul_edge_runtime.metrics.truth import read_truth
from tests.fakes.s3_server import S3Server

VOC = Path(__file__).parents[4] / "shared/data/voc2012-clip-rn50x64/similarities.npz"
NAMES = np.array(["a", "b", "c"])
CLASSES = np.array(["cat", "dog", "cow", "fish"])
COSINES = np.random.default_rng(0).normal(0.2, 0.024, (3, 5, 4)).astype(np.float32)
WRONG = float(np.log(100))  # logit_scale used as a temperature


def softmax(values: Any, temperature: float) -> Any:
    powers = np.exp(values.astype(np.float64) / temperature)
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


def save(folder: Path, **arrays: Any) -> Path:
    file = folder / "similarities.npz"
    np.savez(file, **{"names": NAMES, "classes": CLASSES, **arrays})
    return file


def run(file: Path, out: Path, **options: Any) -> str:
    said = io.StringIO()
    request = ImportRequest(similarities=file, out=out, **options)
    label(request, StderrConsole(Console(file=said, width=300)))
    return said.getvalue()


def cosines(found: Similarities) -> Any:
    """All values, two pictures a part."""
    return np.concatenate(list(found.parts(2)))


def scores(out: Path) -> Any:
    return PseudoLabels.read(out).scores


def test_cosines_give_the_same_pseudo_labels_as_cosines_of_our_own(tmp_path: Path) -> None:
    file = save(tmp_path, global_cosines=COSINES[:, 0], local_cosines=COSINES[:, 1:])
    said = run(file, tmp_path / "labels")
    assert (scores(tmp_path / "labels") == Aggregation(0.01).scores(COSINES)).all()
    assert "cosines; the model's temperature is taken as 0.01" in said
    labels = PseudoLabels.read(tmp_path / "labels")
    assert labels.paths == ("a", "b", "c")
    assert labels.classes.names == tuple(CLASSES)


def test_softmax_values_of_every_view_follow_exactly_at_any_temperature(tmp_path: Path) -> None:
    shares = softmax(COSINES, 0.05)
    file = save(tmp_path, **{"global": shares[:, 0], "local": shares[:, 1:], "temperature": 0.05})
    for temperature in (0.05, 0.01):
        run(file, tmp_path / "labels", scoring=Scoring(temperature=str(temperature)))
        expected = Aggregation(temperature).scores(COSINES)
        assert scores(tmp_path / "labels") == pytest.approx(expected, abs=1e-4)


def extremes(temperature: float = WRONG) -> dict[str, Any]:
    shares = softmax(COSINES, temperature)
    return {
        "global_softmax": shares[:, 0],
        "local_max_softmax": shares[:, 1:].max(axis=1),
        "local_min_softmax": shares[:, 1:].min(axis=1),
    }


def test_best_and_worst_snippets_are_used_as_cached(tmp_path: Path) -> None:
    arrays = extremes()
    file = save(tmp_path, **arrays)
    said = run(file, tmp_path / "labels", scoring=Scoring("max", temperature="cached"))
    assert "softmax values at temperature 4.605 (detected from their spread)" in said
    assert "the model's own is taken as 0.01" in said
    expected = (arrays["global_softmax"] + arrays["local_max_softmax"]) / 2
    assert scores(tmp_path / "labels") == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("temperature", [0.01, 1.0, WRONG])
def test_known_temperatures_are_told_from_the_spread(tmp_path: Path, temperature: float) -> None:
    found = read_similarities(save(tmp_path, **extremes(temperature)))
    assert found.cached_temperature == pytest.approx(temperature, rel=1e-12)
    assert found.detected
    given = read_similarities(save(tmp_path, **extremes(temperature)), made_with=0.5)
    assert (given.cached_temperature, given.detected) == (0.5, False)


def test_a_spread_that_fits_no_temperature_must_be_explained(tmp_path: Path) -> None:
    file = save(tmp_path, **extremes(0.2))
    with pytest.raises(CdulEdgeError, match="--made-with-temperature"):
        read_similarities(file)


def test_nothing_but_paths_classes_and_similarities_is_read(tmp_path: Path) -> None:
    # an object array cannot be read without unpickling: reading it would fail
    hidden = np.array([{"never": "read"}] * 3, dtype=object)
    with_labels = read_similarities(save(tmp_path, labels=hidden, **extremes()))
    without = read_similarities(save(tmp_path, **extremes()))
    np.testing.assert_array_equal(cosines(with_labels), cosines(without))


def test_parquet_columns_are_read_as_lists(tmp_path: Path) -> None:
    file = tmp_path / "similarities.parquet"
    table = pa.table(
        {
            "path": list(NAMES),
            "global_cosines": COSINES[:, 0].tolist(),
            "local_cosines": COSINES[:, 1:].reshape(3, -1).tolist(),
        }
    ).replace_schema_metadata({"cdul_edge": '{"classes": ["cat", "dog", "cow", "fish"]}'})
    pq.write_table(table, file)
    assert cosines(read_similarities(file)) == pytest.approx(COSINES)


def test_names_find_their_pictures_and_what_is_missing_is_skipped(
    tmp_path: Path, paint: Any
) -> None:
    for name in ("x/a.jpg", "c.PNG", "other.jpg"):
        paint(tmp_path / "one", 1)
        target = tmp_path / "pictures" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "one" / "000.jpg").rename(target)
    file = save(tmp_path, **extremes())
    run(file, tmp_path / "labels", images=tmp_path / "pictures")
    labels = PseudoLabels.read(tmp_path / "labels")
    assert labels.paths == ("x/a.jpg", "c.PNG")
    assert labels.root == tmp_path / "pictures"
    run(file, tmp_path / "all")
    assert (labels.scores == scores(tmp_path / "all")[[0, 2]]).all()


def test_a_second_run_only_aggregates_and_another_file_is_refused(tmp_path: Path) -> None:
    file = save(tmp_path, **extremes())
    run(file, tmp_path / "labels")
    assert "in the store already" in run(file, tmp_path / "labels", scoring=Scoring("global"))
    save(tmp_path, **extremes(0.01))
    with pytest.raises(LabelsError, match=r"from_similarities .*made_with_temperature 4.6.*0.01"):
        run(file, tmp_path / "labels")
    run(file, tmp_path / "labels", force=True)


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({}, "has no global: it has names, classes"),
        ({"global": COSINES[:, 0]}, "has no snippets"),
        ({"global": COSINES[:2, 0], "local": COSINES[:2, 1:]}, r"\(2, 5, 4\).*for 3 paths"),
        ({"global": COSINES[:, 0], "local": COSINES[:2, 1:]}, "do not fit one another"),
        ({"global": COSINES[:, 0] * 30, "local": COSINES[:, 1:]}, "is no cosine: it reaches"),
        ({"global_softmax": COSINES[:, 0], "local": COSINES[:, 1:]}, "rows must sum to 1"),
        ({"global": softmax(COSINES[:, 0], 1), "local": COSINES[:, 1:]}, "mixes cosines and soft"),
        ({"global": COSINES[:, 0] * np.nan, "local": COSINES[:, 1:]}, "NaN or infinity"),
        ({"global": COSINES, "local": COSINES[:, 1:]}, "has the shape"),
        ({"names": np.array(["a", "b", "a"]), **extremes()}, "names a picture twice, 'a'"),
        ({"names": NAMES[:0], **extremes()}, "names no picture"),
        ({"temperature": np.array(0.0), **extremes()}, "temperature 0.0 .* is not above 0"),
        ({"temperature": np.array([1.0, 2.0]), **extremes()}, "not one number"),
        ({"local_min": COSINES[:, 0], **extremes()} | {"local_min_softmax": COSINES[:2, 0]}, "fit"),
        ({"classes": np.array(["cat", "dog", "cow", "Cat"]), **extremes()}, "only in case"),
    ],
)
def test_what_cannot_be_understood_is_refused(tmp_path: Path, arrays: Any, fault: str) -> None:
    file = save(tmp_path, **arrays)
    with pytest.raises(CdulEdgeError, match=fault):
        run(file, tmp_path / "labels")
    assert not (tmp_path / "labels").exists()


def test_pictures_in_any_order_keep_their_scores(tmp_path: Path) -> None:
    cosines = np.random.default_rng(1).normal(0.2, 0.024, (150, 5, 4)).astype(np.float32)
    names = np.array([f"{index:03}" for index in range(150)])
    order = np.random.default_rng(2).permutation(150)
    found = {}
    for folder, rows in (("sorted", np.arange(150)), ("unsorted", order)):
        (tmp_path / folder).mkdir()
        values = cosines[rows]
        file = save(
            tmp_path / folder,
            names=names[rows],
            global_cosines=values[:, 0],
            local_cosines=values[:, 1:],
        )
        run(file, tmp_path / folder / "labels")
        labels = PseudoLabels.read(tmp_path / folder / "labels")
        found[folder] = dict(zip(labels.paths, labels.scores, strict=True))
    assert list(found["unsorted"]) == list(names[order])
    for name in names:
        assert found["unsorted"][name] == pytest.approx(found["sorted"][name], abs=1e-4)


def test_two_names_of_one_picture_are_refused(tmp_path: Path, paint: Any) -> None:
    paint(tmp_path / "pictures", 3)
    file = save(tmp_path, **{**extremes(), "names": np.array(["000", "001", "000.jpg"])})
    with pytest.raises(CdulEdgeError, match=r"'000' and '000.jpg' of .* are the same picture"):
        run(file, tmp_path / "labels", images=tmp_path / "pictures")


def test_small_sets_are_scored_picture_by_picture_and_told_so(tmp_path: Path) -> None:
    file = save(tmp_path, global_cosines=COSINES[:, 0], local_cosines=COSINES[:, 1:])
    said = run(file, tmp_path / "labels")
    assert "3 pictures are too few for statistics (fewer than 100)" in said
    assert (scores(tmp_path / "labels") == Aggregation(0.01).scores(COSINES)).all()
    used = json.loads((tmp_path / "labels" / "manifest.json").read_text())["pseudo_labels"]
    assert (used["strategy"], used["instead"]) == ("evidence", "cdul")


@pytest.mark.parametrize(
    "scoring",
    [
        Scoring("max", debias="center"),
        Scoring("max", debias="sparc"),
        Scoring("global", debias="ccd"),
        Scoring("cdul", debias="ridge"),
        Scoring("cosine-mean", temperature="spread"),
        Scoring("max", thresholds="otsu"),
    ],
)
def test_every_setting_is_on_record_and_changes_the_labels(
    tmp_path: Path, scoring: Scoring
) -> None:
    file = save(tmp_path, global_cosines=COSINES[:, 0], local_cosines=COSINES[:, 1:])
    plain = Scoring(scoring.strategy)
    run(file, tmp_path / "labels", scoring=plain)
    before = PseudoLabels.read(tmp_path / "labels")
    run(file, tmp_path / "labels", scoring=scoring)
    labels = PseudoLabels.read(tmp_path / "labels")
    used = labels.provenance["aggregation"]
    assert used["strategy"] == scoring.strategy
    assert (used["debias"], used["thresholds"]) == (scoring.debias, scoring.thresholds)
    if scoring.temperature == "spread":
        centered = COSINES[:, 0] - COSINES[:, 0].mean(axis=1, keepdims=True)
        assert used["temperature"] == pytest.approx(centered.std(axis=0).mean(), rel=0.2)
    changed = labels.scores if scoring.thresholds != "otsu" else labels.thresholds
    assert (changed != (before.scores if changed.ndim == 2 else before.thresholds)).any()
    assert labels.cosines is not None
    assert (labels.cosines == COSINES[:, 0]).all()


def test_given_shares_set_the_thresholds(tmp_path: Path) -> None:
    shares = tmp_path / "shares.json"
    shares.write_text('{"cat": 0.3, "dog": 0, "cow": 1, "fish": 0.6}')
    file = save(tmp_path, global_cosines=COSINES[:, 0], local_cosines=COSINES[:, 1:])
    run(file, tmp_path / "labels", scoring=Scoring("max", thresholds=str(shares)))
    labels = PseudoLabels.read(tmp_path / "labels")
    above = (labels.scores >= labels.thresholds).sum(axis=0)
    assert list(above) == [1, 0, 3, 2]  # ceil(0.9), none, all, ceil(1.8)
    assert labels.provenance["aggregation"]["thresholds"]["fish"] == 0.6


def test_values_that_no_temperature_divided_tell_nothing_of_the_models(tmp_path: Path) -> None:
    found = read_similarities(save(tmp_path, **extremes(1.0)))
    assert (found.cached_temperature, found.model_temperature) == (1.0, 0.01)


def test_files_that_are_missing_or_damaged_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CdulEdgeError, match="does not exist"):
        read_similarities(tmp_path / "none.npz")
    for name in ("a.npz", "a.parquet"):
        (tmp_path / name).write_text("damage")
        with pytest.raises(CdulEdgeError, match=r"not a readable NPZ|truncated or damaged"):
            read_similarities(tmp_path / name)
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(CdulEdgeError, match=r"expected .npz or .parquet"):
        read_similarities(tmp_path / "a.txt")


def test_other_classes_than_the_files_are_refused(tmp_path: Path) -> None:
    file = save(tmp_path, **extremes())
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(CdulEdgeError, match="does not name the classes of"):
        run(file, tmp_path / "labels", classes=tmp_path / "classes.txt")
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    run(file, tmp_path / "labels", classes=tmp_path / "classes.txt")


@pytest.mark.skipif(not VOC.is_file(), reason="the real VOC 2012 vectors are not on this machine")
@pytest.mark.parametrize(
    ("scoring", "expected"),
    [
        (Scoring("global", temperature="cached"), 85.82),
        (Scoring("global", temperature="0.01"), 84.79),
        (Scoring("max", temperature="cached"), 89.23),
    ],
)
def test_real_clip_outputs_are_worth_what_was_measured(
    tmp_path: Path, scoring: Scoring, expected: float
) -> None:
    run(VOC, tmp_path / "labels", scoring=scoring)
    found = read_scored_pictures(tmp_path / "labels")
    truth = read_truth(VOC).for_paths(found.paths, found.classes)
    report = evaluate_scores(found.scores, truth, found.classes, found.thresholds)
    assert report.map == pytest.approx(expected, abs=0.01)


@pytest.mark.skipif(not VOC.is_file(), reason="the real VOC 2012 vectors are not on this machine")
def test_the_default_beats_the_paper_on_real_clip_outputs(tmp_path: Path) -> None:
    run(VOC, tmp_path / "labels")
    found = read_scored_pictures(tmp_path / "labels")
    truth = read_truth(VOC).for_paths(found.paths, found.classes)
    report = evaluate_scores(found.scores, truth, found.classes, found.thresholds)
    assert report.map > 90.3
    assert report.macro_f1 > 82.5
    assert report.ece < 2.5


@pytest.mark.parametrize("name", ["f.npz", "c.npz", "rows.parquet", "fixed.parquet"])
def test_whatever_the_block_and_the_file_the_same_values_come_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shares = softmax(np.random.default_rng(3).normal(0.2, 0.024, (11, 5, 4)), 0.01)
    file, names = tmp_path / name, [f"{row}.jpg" for row in range(11)]
    whole, rest = shares[:, 0], shares[:, 1:]
    if name.endswith(".npz"):
        order = np.asfortranarray if name == "f.npz" else np.ascontiguousarray
        arrays: Any = {"global": order(whole), "local": order(rest)}
        (np.savez if name == "f.npz" else np.savez_compressed)(
            file, names=names, classes=CLASSES, **arrays
        )
    else:
        columns = {"global": whole, "local": rest.reshape(11, -1)}
        lists = {
            key: pa.array(list(values), pa.list_(pa.float32()))
            if name == "rows.parquet"
            else pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
            for key, values in columns.items()
        }
        table = pa.table({"path": names, **lists})
        about = {"cdul_edge": json.dumps({"classes": CLASSES.tolist()})}
        pq.write_table(table.replace_schema_metadata(about), file, row_group_size=4)
    found = {}
    for rows in (3, 256):
        monkeypatch.setattr(similarity_files, "_BLOCK", rows)
        opened = read_similarities(file)
        assert (opened.cached_temperature, opened.detected, opened.views) == (0.01, True, 5)
        assert [len(part) for part in opened.parts(4)] == [4, 4, 3]
        found[rows] = cosines(opened)
    assert found[3].tobytes() == found[256].tobytes()
    assert found[3] == pytest.approx(0.01 * np.log(4 * shares), abs=1e-6)


def test_a_fault_in_the_last_row_is_found_before_anything_is_written(tmp_path: Path) -> None:
    values = np.repeat(COSINES, 300, axis=0)
    values[-1, 2, 1] = np.inf
    names = np.arange(len(values)).astype(str)
    file = save(tmp_path, names=names, global_cosines=values[:, 0], local_cosines=values[:, 1:])
    with pytest.raises(CdulEdgeError, match="local_cosines holds NaN or infinity"):
        run(file, tmp_path / "labels")
    assert not (tmp_path / "labels").exists()


def test_similarities_may_lie_in_an_object_store(tmp_path: Path, s3: S3Server) -> None:
    s3.make_bucket("vectors")
    for name in ("similarities.npz", "similarities.parquet"):
        file = save(tmp_path, global_cosines=COSINES[:, 0], local_cosines=COSINES[:, 1:])
        if name.endswith(".parquet"):
            lists = {
                "global": COSINES[:, 0].tolist(),
                "local": COSINES[:, 1:].reshape(3, -1).tolist(),
            }
            table = pa.table({"path": list(NAMES), **lists})
            about = {"cdul_edge": json.dumps({"classes": CLASSES.tolist()})}
            pq.write_table(table.replace_schema_metadata(about), tmp_path / name)
        url = Url(f"s3://vectors/{name}")
        with open_storage(url.parent).write(name) as temporary:
            temporary.write_bytes((tmp_path / name).read_bytes())
        label(ImportRequest(url, Url(f"s3://vectors/{name}-labels"), scoring=Scoring("max")))
        label(ImportRequest(file, tmp_path / name[-3:], scoring=Scoring("max")))
        there = PseudoLabels.read(Url(f"s3://vectors/{name}-labels"))
        assert (there.scores == scores(tmp_path / name[-3:])).all()
        assert str(there.root) == "s3://vectors"

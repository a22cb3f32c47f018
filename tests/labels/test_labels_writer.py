"""Labels that are written and read piece by piece, here and in an object store."""

from pathlib import Path

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="pseudo-labels stand in Parquet")
pq = pytest.importorskip("pyarrow.parquet")

from cdul_edge.labels.label_stream import FILE_NAME, iterate_labels  # noqa: E402
from cdul_edge.labels.labels_writer import ROWS, UNFINISHED, LabelsWriter  # noqa: E402
from cdul_edge.labels.pseudo_labels import PseudoLabels  # noqa: E402
from cdul_edge.storage.location import Location, Url  # noqa: E402
from cdul_edge.storage.open_storage import open_storage  # noqa: E402
from cdul_edge_runtime.bundle.classes import ClassList  # noqa: E402
from cdul_edge_runtime.errors import LabelsError  # noqa: E402
from tests.fakes.s3_server import S3Server  # noqa: E402

CLASSES = ClassList(("cat", "dog"))
ROOT = Path("/pictures")
THRESHOLDS = np.array([0.5, np.inf], np.float32)
PART = f"{FILE_NAME}/part-00001.parquet"
COMMON = f"{FILE_NAME}/_common_metadata"


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    if request.param == "folder":
        return tmp_path / "labels"
    server: S3Server = request.getfixturevalue("s3")
    server.make_bucket("bucket")
    return Url("s3://bucket/labels")


def example(rows: int, *, cosines: bool = True) -> PseudoLabels:
    scores = np.linspace(0, 1, 2 * rows, dtype=np.float32).reshape(rows, 2)
    paths = tuple(f"{row}.jpg" for row in range(rows))
    known = scores - np.float32(0.5) if cosines else None
    return PseudoLabels(ROOT, paths, CLASSES, scores, THRESHOLDS, {"strategy": "max"}, known)


def write(place: Location, labels: PseudoLabels, *, limit: int, piece: int = 2) -> None:
    with LabelsWriter(open_storage(place), ROOT, CLASSES, limit) as writer:
        for start in range(0, len(labels.paths), piece):
            rows = slice(start, start + piece)
            cosines = None if labels.cosines is None else labels.cosines[rows]
            writer.add(labels.paths[rows], labels.scores[rows], cosines)
        writer.seal()
        assert np.array_equal(np.concatenate(list(writer.read())), labels.scores)
        writer.finish(THRESHOLDS, labels.provenance)


def names(place: Location) -> set[str]:
    return {name.removeprefix(f"{FILE_NAME}/") for name in open_storage(place).sizes()}


def same(found: PseudoLabels, labels: PseudoLabels) -> bool:
    assert (found.root, found.paths, found.classes) == (ROOT, labels.paths, CLASSES)
    assert found.provenance == labels.provenance
    assert np.array_equal(found.thresholds, THRESHOLDS)
    assert np.array_equal(found.scores, labels.scores)
    if found.cosines is None or labels.cosines is None:
        return found.cosines is labels.cosines
    return np.array_equal(found.cosines, labels.cosines)


def test_few_labels_are_the_one_file_that_they_always_were(tmp_path: Path) -> None:
    labels = example(5)
    write(tmp_path, labels, limit=5, piece=3)
    labels.write(tmp_path / "whole.parquet")
    assert (tmp_path / FILE_NAME).read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == [FILE_NAME, "whole.parquet"]


def test_many_become_parts_and_each_set_takes_the_place_of_the_one_before(place: Location) -> None:
    sets = [(7, 3), (4, 3), (3, 3), (3, 9), (9, 2)]
    for rows, limit in sets:
        labels = example(rows, cosines=rows != 4)
        write(place, labels, limit=limit, piece=5)
        parts = {f"part-{part:05d}.parquet" for part in range(-(-rows // limit))}
        assert names(place) == ({FILE_NAME} if rows <= limit else {*parts, "_common_metadata"})
        for where in (place, place / FILE_NAME):
            assert same(PseudoLabels.read(where), labels)
        stream = iterate_labels(place, rows=2)
        assert (stream.count, stream.classes) == (rows, CLASSES)
        batches = list(stream)
        assert max(len(batch.paths) for batch in batches) <= 2
        assert [path for batch in batches for path in batch.paths] == list(labels.paths)


def test_the_guide_says_how_many_labels_are_one_file() -> None:
    guide = Path(__file__).parents[2] / "docs" / "scale.md"
    assert f"Up to {ROWS:,} pictures, `{FILE_NAME}` is one file" in guide.read_text()


def test_other_programs_read_parts_by_the_folder_s_name(tmp_path: Path) -> None:
    labels = example(7)
    write(tmp_path, labels, limit=3)
    table = pq.read_table(tmp_path / FILE_NAME)
    assert table.column("path").to_pylist() == list(labels.paths)
    assert table.schema.names == ["path", "scores", "cosines"]
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    assert pandas.read_parquet(tmp_path / FILE_NAME)["path"].tolist() == list(labels.paths)


def test_what_was_not_finished_leaves_the_former_labels(place: Location) -> None:
    former = example(7)
    write(place, former, limit=3)
    before = names(place)
    with (
        pytest.raises(RuntimeError),
        LabelsWriter(open_storage(place), ROOT, CLASSES, 2) as writer,
    ):
        writer.add(["a", "b", "c"], np.zeros((3, 2), np.float32), None)
        raise RuntimeError
    assert names(place) == before
    assert same(PseudoLabels.read(place), former)


def test_a_process_that_died_leaves_the_former_labels_and_nothing_behind(tmp_path: Path) -> None:
    former = example(7)
    write(tmp_path, former, limit=3)
    (tmp_path / UNFINISHED).mkdir()
    (tmp_path / UNFINISHED / "part-00000.parquet").touch()
    (tmp_path / UNFINISHED / ".part-00001.parquet.x.tmp").touch()
    assert same(PseudoLabels.read(tmp_path), former)
    write(tmp_path, example(4), limit=3)
    assert not (tmp_path / UNFINISHED).exists()
    (tmp_path / COMMON).unlink()  # as between two parts that are being replaced
    with pytest.raises(LabelsError, match="is not finished: run `cdul-edge label` again"):
        PseudoLabels.read(tmp_path)


def test_a_part_that_is_missing_cut_or_foreign_is_named(tmp_path: Path) -> None:
    write(tmp_path, example(7), limit=3)
    part = tmp_path / PART
    content = part.read_bytes()
    with pytest.raises(LabelsError, match=r"part-00001.parquet is one part of pseudo-labels: name"):
        PseudoLabels.read(part)
    part.write_bytes(content[:-1] + b"x")
    with pytest.raises(LabelsError, match=r"part-00001.parquet is truncated or damaged"):
        PseudoLabels.read(tmp_path)
    part.write_bytes(content[:-1])
    with pytest.raises(LabelsError, match=rf"has {len(content) - 1} bytes, expected"):
        PseudoLabels.read(tmp_path)
    part.unlink()
    with pytest.raises(LabelsError, match=r"part-00001.parquet is missing: run"):
        iterate_labels(tmp_path)


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    write(tmp_path, example(7), limit=3)
    note = tmp_path / FILE_NAME / "note.txt"
    note.write_text("mine")
    write(tmp_path, example(4), limit=3)
    with pytest.raises(LabelsError, match=r"note.txt is not of cdul-edge, and lies where the"):
        write(tmp_path, example(3), limit=3)
    assert note.read_text() == "mine"
    assert same(PseudoLabels.read(tmp_path), example(4))


@pytest.mark.parametrize("limit", [2, 9])
def test_a_picture_that_comes_twice_is_named_and_nothing_is_replaced(
    tmp_path: Path, limit: int
) -> None:
    write(tmp_path, example(3), limit=limit)
    with LabelsWriter(open_storage(tmp_path), ROOT, CLASSES, limit) as writer:
        for path in ("a", "b", "c", "b"):
            writer.add([path], np.zeros((1, 2), np.float32), None)
        with pytest.raises(LabelsError, match=r"a picture twice.*'b'"):
            writer.seal()
    assert same(PseudoLabels.read(tmp_path), example(3))


def test_scores_that_are_none_are_refused_when_they_come(tmp_path: Path) -> None:
    with LabelsWriter(open_storage(tmp_path), ROOT, CLASSES) as writer:
        with pytest.raises(LabelsError, match=r"outside \[0, 1\]"):
            writer.add(["a"], np.full((1, 2), np.nan, np.float32), None)
        with pytest.raises(LabelsError, match="do not fit 2 classes"):
            writer.add(["a"], np.zeros((1, 3), np.float32), None)


def test_pictures_of_an_object_store_have_no_folder_here(tmp_path: Path) -> None:
    root = Url("s3://photos/2026")
    with LabelsWriter(open_storage(tmp_path), root, CLASSES) as writer:
        writer.add(["a"], np.zeros((1, 2), np.float32), None)
        writer.seal()
        writer.finish(THRESHOLDS, {})
    labels = PseudoLabels.read(tmp_path)
    assert labels.root == root
    with pytest.raises(LabelsError, match=r"lie in s3://photos/2026, .* give that folder as"):
        _ = labels.folder

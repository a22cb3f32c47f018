from pathlib import Path

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="pseudo-labels stand in Parquet")
pq = pytest.importorskip("pyarrow.parquet")

from cdul_edge.labels.pseudo_labels import PseudoLabels  # noqa: E402
from cdul_edge_runtime.bundle.classes import ClassList  # noqa: E402
from cdul_edge_runtime.errors import LabelsError  # noqa: E402

CLASSES = ClassList(("cat", "dog", "café"))


def example(**changes: object) -> PseudoLabels:
    fields: dict[str, object] = {
        "root": Path("/pictures"),
        "paths": ("a.jpg", "sub/new\nline.png"),
        "classes": CLASSES,
        "scores": np.array([[0.0, 0.25, 1.0], [0.1, 0.2, 0.3]], np.float32),
        "thresholds": np.array([0.5, np.inf, 0.3], np.float32),
        "provenance": {"strategy": "cdul"},
    }
    return PseudoLabels(**{**fields, **changes})  # type: ignore[arg-type]


def test_what_was_written_is_read_bit_by_bit(tmp_path: Path) -> None:
    labels = example()
    labels.write(tmp_path / "pseudo_labels.parquet")
    again = PseudoLabels.read(tmp_path)
    assert again.paths == labels.paths
    assert again.classes == CLASSES
    assert again.scores.tobytes() == labels.scores.tobytes()
    assert again.thresholds.tobytes() == labels.thresholds.tobytes()
    assert (again.root, again.provenance) == (labels.root, labels.provenance)


def test_whole_picture_cosines_travel_along_where_they_are_known(tmp_path: Path) -> None:
    cosines = np.array([[0.2, -0.1, 0.3], [0.0, 0.25, 0.5]], np.float32)
    example(cosines=cosines).write(tmp_path / "labels.parquet")
    again = PseudoLabels.read(tmp_path / "labels.parquet").cosines
    assert again is not None
    assert again.tobytes() == cosines.tobytes()
    example().write(tmp_path / "labels.parquet")
    assert PseudoLabels.read(tmp_path / "labels.parquet").cosines is None


def test_any_parquet_reader_sees_a_path_and_a_list_of_scores(tmp_path: Path) -> None:
    example().write(tmp_path / "labels.parquet")
    rows = pq.read_table(tmp_path / "labels.parquet").to_pylist()
    assert rows[0] == {"path": "a.jpg", "scores": [0.0, 0.25, 1.0]}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"paths": ("a.jpg", "a.jpg")}, "a picture twice"),
        ({"scores": np.full((2, 3), 1.5, np.float32)}, r"outside \[0, 1\]"),
        ({"scores": np.full((2, 3), np.nan, np.float32)}, r"outside \[0, 1\]"),
        ({"scores": np.zeros((3, 3), np.float32)}, "do not fit"),
        ({"thresholds": np.zeros(2, np.float32)}, "do not fit"),
        ({"cosines": np.zeros((2, 2), np.float32)}, "do not fit"),
        ({"cosines": np.full((2, 3), np.nan, np.float32)}, "not finite"),
    ],
)
def test_labels_that_cannot_be_trained_on_are_refused(
    changes: dict[str, object], fault: str
) -> None:
    with pytest.raises(LabelsError, match=fault):
        example(**changes)


def test_a_missing_cut_or_foreign_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pseudo_labels.parquet"
    with pytest.raises(LabelsError, match="does not exist: make it with `cdul-edge label`"):
        PseudoLabels.read(tmp_path)
    example().write(file)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(LabelsError, match="is truncated or damaged"):
        PseudoLabels.read(tmp_path)
    pq.write_table(pa.table({"x": [1]}), file)
    with pytest.raises(LabelsError, match="not a pseudo-label file"):
        PseudoLabels.read(file)


def test_a_file_of_another_format_says_which(tmp_path: Path) -> None:
    file = tmp_path / "pseudo_labels.parquet"
    example().write(file)
    table = pq.read_table(file)
    metadata = {b"cdul_edge": table.schema.metadata[b"cdul_edge"].replace(b"1", b"9", 1)}
    pq.write_table(table.replace_schema_metadata(metadata), file)
    with pytest.raises(LabelsError, match="has format 9, this program reads 1"):
        PseudoLabels.read(file)

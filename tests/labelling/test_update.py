"""A labels folder follows its pictures: what is new, gone, replaced, or was not readable."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cdul_edge.labelling import Scoring
from cdul_edge.labelling.part_report import PartReport
from cdul_edge.labelling.score_part import PartScorer
from cdul_edge.labelling.store.parts import part_name, read_part
from cdul_edge.labels.manifest import MANIFEST
from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge_runtime.errors import CdulEdgeError, LabelsError
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.pictures.resizer import resizer_name


def paint(file: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((50, 40)).save(file)


def require_fresh_rows(label: Any, out: Path, **changes: Any) -> None:
    """The store holds what a new one would: batches differ, so rounding does."""
    label(out=out, **changes)
    now, new = rows(label.out), rows(out)
    assert list(now) == list(new)
    for path, values in now.items():
        assert values == pytest.approx(new[path], abs=1e-5), path


def rows(out: Path) -> dict[str, Any]:
    """Each readable picture's cosines, in the store's order."""
    found: dict[str, Any] = {}
    for file in sorted(out.glob("similarities/*.parquet")):
        part = read_part(file, "cosines")
        found |= zip(part.labelled, part.values, strict=True)
    return found


@pytest.mark.parametrize("keep", [False, True])
def test_an_update_encodes_what_is_new_or_replaced_and_nothing_else(
    label: Any, pictures: Path, tmp_path: Path, keep: bool
) -> None:
    label(keep_embeddings=keep)
    paint(pictures / "0000.jpg", 100)  # new, before all others: every part shifts by one
    paint(pictures / "002.jpg", 101)  # replaced
    (pictures / "005.jpg").unlink()  # gone
    os.utime(pictures / "004.jpg", ns=(1, 1))  # touched, and not changed
    result = label(update=True)
    assert (result.scored, result.labelled) == (2, 7)
    names = ("000.jpg", "0000.jpg", "001.jpg", "002.jpg", "003.jpg", "004.jpg", "006.jpg")
    assert PseudoLabels.read(label.out).paths == names
    require_fresh_rows(label, tmp_path / "fresh", keep_embeddings=keep)
    assert not (label.out / "earlier").exists()
    assert label(update=True).scored == 0
    assert "CLIP is not run" in label.said.getvalue()


def test_pictures_that_come_behind_leave_full_parts_as_they_are(
    label: Any, pictures: Path, tmp_path: Path
) -> None:
    label()
    before = [(label.out / part_name(part)).stat() for part in (0, 1)]  # of three pictures each
    paint(pictures / "007.jpg", 100)
    assert label(update=True).scored == 1
    after = [(label.out / part_name(part)).stat() for part in (0, 1)]
    assert [(one.st_ino, one.st_mtime_ns) for one in after] == [
        (one.st_ino, one.st_mtime_ns) for one in before
    ]
    assert label.parts() == label.parts(label(out=tmp_path / "fresh").out)


def test_the_resizer_is_recorded_and_another_one_goes_on_with_the_store(
    label: Any, pictures: Path
) -> None:
    label(keep_embeddings=True)
    now = resizer_name()
    assert read_json(label.out / MANIFEST)["resizers"] == [now]
    write_json(label.out / MANIFEST, {**read_json(label.out / MANIFEST), "resizers": []})  # older
    assert label(keep_embeddings=True, templates=("a {}.",)).scored == 0  # no picture is read
    assert read_json(label.out / MANIFEST)["resizers"] == ["Pillow"]
    line = f"Pillow resized the pictures before, and {now} does from here on"
    for name, lines in (("0000.jpg", 1), ("00000.jpg", 0)):
        paint(pictures / name, 100)
        assert label(keep_embeddings=True, templates=("a {}.",), update=True).scored == 1
        assert read_json(label.out / MANIFEST)["resizers"] == ["Pillow", now]
        assert label.said.getvalue().count(line) == lines


def test_an_update_tries_again_what_could_not_be_read(label: Any, pictures: Path) -> None:
    whole = (pictures / "003.jpg").read_bytes()
    (pictures / "003.jpg").write_bytes(b"")
    (pictures / "006.jpg").write_bytes(b"")
    label()
    (pictures / "003.jpg").write_bytes(whole)
    assert [one.path for one in label(update=True).skipped] == ["006.jpg"]
    assert label(update=True).scored == 0


def test_replaced_pictures_are_named_and_nothing_is_written_without_update(
    label: Any, pictures: Path
) -> None:
    label()
    before = label.parts()
    paint(pictures / "002.jpg", 101)
    with pytest.raises(LabelsError, match=r"1 replaced \('002.jpg'\): give --update"):
        label()
    with pytest.raises(LabelsError, match=r"1 replaced \('002.jpg'\)"):
        label(scoring=Scoring("max"))
    assert label.parts() == before


def test_a_repair_makes_the_rows_of_replaced_pictures_again(
    label: Any, pictures: Path, tmp_path: Path
) -> None:
    label()
    paint(pictures / "002.jpg", 101)
    (label.out / part_name(2)).unlink()
    assert label(repair=True).scored == 2  # the replaced one, and the one of the missing part
    require_fresh_rows(label, tmp_path / "fresh")


def test_the_same_list_in_another_order_is_an_update_without_clip(
    label: Any, pictures: Path, tmp_path: Path
) -> None:
    files = sorted(map(str, pictures.iterdir()))
    (tmp_path / "list.txt").write_text("\n".join(files))
    label(images=tmp_path / "list.txt")
    (tmp_path / "list.txt").write_text("\n".join(reversed(files)))
    with pytest.raises(LabelsError, match=r"the same pictures in another order: give --update"):
        label(images=tmp_path / "list.txt")
    assert label(images=tmp_path / "list.txt", update=True).scored == 0
    assert [Path(path).name for path in PseudoLabels.read(label.out).paths][:2] == [
        "006.jpg",
        "005.jpg",
    ]


def test_an_interrupted_update_goes_on_and_loses_no_row(
    label: Any, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label()
    for index in range(3):
        paint(pictures / f"00{index}0.jpg", index + 200)
    write, written = PartScorer._write, 0

    def interrupt(self: PartScorer, *arguments: Any) -> PartReport:
        nonlocal written
        written += 1
        if written == 4:  # two parts of known rows, one with a new picture, then this one
            raise KeyboardInterrupt
        return write(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(PartScorer, "_write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            label(update=True)
    with pytest.raises(LabelsError, match="not finished"):
        PseudoLabels.read(label.out)
    assert label().scored == 2  # of three new pictures one is in a finished part
    require_fresh_rows(label, tmp_path / "fresh")


def test_other_settings_are_refused_in_an_update_too(label: Any, pictures: Path) -> None:
    label()
    paint(pictures / "new.jpg", 1)
    with pytest.raises(LabelsError, match="seed 0"):
        label(update=True, seed=1)


def test_a_folder_that_another_run_is_at_work_on_is_refused(label: Any) -> None:
    from filelock import FileLock

    label()
    with FileLock(label.out / ".lock"), pytest.raises(CdulEdgeError, match="another process"):
        label()
    assert label().labelled == 7


def test_a_store_that_knows_names_only_is_read_and_labeled_again_by_an_update(
    label: Any, pictures: Path, tmp_path: Path
) -> None:
    """As cdul-edge 0.1.0 wrote them: parts without the columns bytes, mtime_ns and digest."""
    import pyarrow.parquet as pq

    label()
    for file in label.out.glob("similarities/*.parquet"):
        table = pq.read_table(file)
        pq.write_table(table.drop_columns(["bytes", "mtime_ns", "digest"]), file)
    manifest = label.out / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "files": {}}))
    assert label(scoring=Scoring("max")).scored == 0
    paint(pictures / "002.jpg", 101)
    os.utime(pictures / "002.jpg", ns=(1, 1))  # by a clock that is behind: no time tells
    assert label(update=True).scored == 7
    assert label(update=True).scored == 0  # now the store knows what was in the files
    require_fresh_rows(label, tmp_path / "fresh")


def test_a_copy_of_the_pictures_elsewhere_has_the_same_rows(
    label: Any, pictures: Path, tmp_path: Path
) -> None:
    label()
    shutil.copytree(pictures, tmp_path / "copy", copy_function=shutil.copyfile)  # other times
    assert label(images=tmp_path / "copy", scoring=Scoring("max")).scored == 0

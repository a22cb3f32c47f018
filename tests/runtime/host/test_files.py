from pathlib import Path

import pytest

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import (
    atomic_write,
    new_directory,
    read_json,
    refuse_existing,
    sha256_file,
    write_json,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    target = tmp_path / "result.txt"
    target.write_text("old")
    with pytest.raises(OSError, match="disk"), atomic_write(target) as temporary:
        temporary.write_text("half of the ne")
        raise OSError(28, "no room on the disk")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["result.txt"]


def test_a_write_appears_whole_under_its_name(tmp_path: Path) -> None:
    target = tmp_path / "new" / "result.txt"
    with atomic_write(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert names(target.parent) == ["result.txt"]


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "kept").write_text("1")
    with pytest.raises(ValueError, match="boom"), new_directory(target, force=True) as temporary:
        (temporary / "half").write_text("2")
        raise ValueError("boom")
    assert names(tmp_path) == ["bundle"]
    assert names(target) == ["kept"]


def test_a_folder_is_replaced_as_a_whole_with_force_and_refused_without(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "old").write_text("1")
    with pytest.raises(CdulEdgeError, match="--force"), new_directory(target):
        pass
    with new_directory(target, force=True) as temporary:
        (temporary / "new").write_text("2")
    assert names(target) == ["new"]


def test_an_empty_folder_counts_as_free(tmp_path: Path) -> None:
    refuse_existing(tmp_path, force=False)
    (tmp_path / "x").write_text("")
    with pytest.raises(CdulEdgeError, match="exists"):
        refuse_existing(tmp_path, force=False)


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    # The test vector of FIPS 180-2.
    assert sha256_file(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_json_reads_back_and_a_cut_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"clé": [1, None]})
    assert read_json(path) == {"clé": [1, None]}
    path.write_text(path.read_text()[:8])
    with pytest.raises(CdulEdgeError, match=r"a\.json is not valid JSON"):
        read_json(path)
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, float("nan"))

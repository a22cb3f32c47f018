"""What `--force` may replace: an earlier result of this program, and nothing else."""

from pathlib import Path

import pytest

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import refuse_existing
from cdul_edge_runtime.host.ownership import FileKind, FolderKind, remove_own, require_own

KIND = FolderKind("result", "about.json", ("about.json", "*.bin", "inner/*.bin"))
LINES = FileKind("file of lines", lambda beginning: beginning.startswith(b"ours"))


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A folder of ours, finished."""
    folder = tmp_path / "result"
    (folder / "inner").mkdir(parents=True)
    (folder / "about.json").write_text('{"program": "cdul-edge"}')
    (folder / "a.bin").write_text("1")
    (folder / "inner" / "b.bin").write_text("2")
    return folder


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_our_own_is_replaced_with_what_interrupted_runs_and_desktops_left(result: Path) -> None:
    (result / ".model.x1.tmp").write_text("")
    (result / ".result.x2.tmp").mkdir()
    (result / ".result.x2.tmp" / "anything").write_text("")
    (result / ".DS_Store").write_text("")
    require_own(result, KIND)
    remove_own(result, KIND)
    assert everything(result) == {".DS_Store"}


@pytest.mark.parametrize(
    "name", ["photo.jpg", "inner/photo.jpg", "inner/deeper/b.bin", "other/a.bin", ".hidden"]
)
def test_a_folder_that_also_holds_something_foreign_stays(name: str, result: Path) -> None:
    foreign = result / name
    foreign.parent.mkdir(parents=True, exist_ok=True)
    foreign.write_text("the user's")
    before = everything(result)
    with pytest.raises(CdulEdgeError, match=f"also holds {name}, which cdul-edge did not make"):
        refuse_existing(result, KIND, force=True)
    assert everything(result) == before


@pytest.mark.parametrize(
    "marker", [None, "", "not JSON", "[]", "[" * 100_000, '{"program": "other"}', b"\xff\xfe"]
)
def test_a_folder_that_does_not_say_it_is_ours_stays(
    marker: str | bytes | None, result: Path
) -> None:
    file = result / "about.json"
    file.unlink()
    if marker is not None:
        file.write_bytes(marker if isinstance(marker, bytes) else marker.encode())
    with pytest.raises(CdulEdgeError, match="is not a result that cdul-edge made"):
        require_own(result, KIND)


def test_the_current_folder_the_home_and_their_parents_stay(
    result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(result / "inner")
    for path in (Path(".."), result, result.parent, Path("/"), Path()):
        with pytest.raises(CdulEdgeError, match="the current or home folder"):
            require_own(path, KIND)
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", str(result / "inner"))
    for path in (result, result / "inner", Path("/")):
        with pytest.raises(CdulEdgeError, match="the current or home folder"):
            require_own(path, KIND)


def test_an_input_and_what_holds_it_stay(result: Path) -> None:
    for path in (result, result / "inner", result / "inner" / "b.bin", result / ".." / "result"):
        with pytest.raises(CdulEdgeError, match="what this command reads"):
            require_own(result, KIND, [path])
    require_own(result, KIND, [result.parent])  # the result lies inside of what is read


def test_links_are_not_followed(result: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(result)
    with pytest.raises(CdulEdgeError, match="is a symbolic link"):
        require_own(link, KIND)
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "c.bin").write_text("the user's")
    (result / "inner" / "b.bin").unlink()
    (result / "inner").rmdir()
    (result / "inner").symlink_to(photos)
    with pytest.raises(CdulEdgeError, match="also holds inner,"):
        require_own(result, KIND)
    (result / "inner").unlink()
    (result / "d.bin").symlink_to(photos / "c.bin")
    require_own(result, KIND)
    remove_own(result, KIND)
    assert everything(photos) == {"c.bin"}


def test_a_file_is_replaced_only_by_its_own_kind(tmp_path: Path, result: Path) -> None:
    file = tmp_path / "lines"
    for text in ("ours 1", ""):
        file.write_text(text)
        refuse_existing(file, LINES, force=True)
        with pytest.raises(CdulEdgeError, match="exists: choose another --out"):
            refuse_existing(file, LINES, force=False)
    file.write_text("a novel")
    with pytest.raises(CdulEdgeError, match="is not a file of lines that cdul-edge made"):
        refuse_existing(file, LINES, force=True)
    with pytest.raises(CdulEdgeError, match="is not a regular file"):
        refuse_existing(result, LINES, force=True)
    with pytest.raises(CdulEdgeError, match="is a file"):
        refuse_existing(file, KIND, force=True)
    refuse_existing(Path("/dev/null"), LINES, force=False)

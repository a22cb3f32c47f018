"""Which pictures a folder or a list means, and what is said of the others."""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from cdul_edge_runtime.errors import CdulEdgeError, CdulEdgeWarning
from cdul_edge_runtime.pictures.images import find_images

PNG = b"\x89PNG, as far as finding goes"


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PNG)


def test_a_folder_is_searched_to_every_depth_and_sorted(tmp_path: Path) -> None:
    make(tmp_path, "b/2.JPG", "b/10.png", "a.jpeg", "noending", ".hidden.jpg", "notes.txt")
    make(tmp_path, "ü 猫.png", "line\nbreak.png")
    with pytest.warns(CdulEdgeWarning, match=r"left out 1 hidden .*'.hidden.jpg'.* and 1 that do"):
        found = find_images(tmp_path)
    assert found.paths == (
        "a.jpeg",
        "b/10.png",
        "b/2.JPG",
        "line\nbreak.png",
        "noending",
        "ü 猫.png",
    )
    assert found.absolute(3).read_bytes() == PNG


def test_a_tar_is_no_list_and_a_line_says_what_to_do(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "pictures.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"))
    with pytest.raises(CdulEdgeError, match="is a tar archive: unpack it and give what is inside"):
        find_images(tmp_path / "pictures.tar")


def test_paths_sort_as_whole_texts_whatever_stands_before_a_slash(tmp_path: Path) -> None:
    names = ("a.jpg", "a/b.jpg", "a/b/c.jpg", "a!/x.jpg", "a-b/x.jpg", "a0.jpg", "b/é.jpg", "é.jpg")
    make(tmp_path, *names, "a/b/c/d/e.jpg", "a/b-c.jpg", "ab/c.jpg", "b/z.jpg")
    found = find_images(tmp_path).paths
    assert len(found) == 12
    assert list(found) == sorted(found)


def test_loops_of_links_end_and_a_linked_folder_is_walked_once(tmp_path: Path) -> None:
    make(tmp_path, "a/1.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "z").symlink_to(tmp_path / "a")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    assert find_images(tmp_path).paths == ("a/1.png", "gone.png")


def test_a_text_file_lists_paths_beside_itself(tmp_path: Path) -> None:
    make(tmp_path, "x/1.png")
    (tmp_path / "list.txt").write_text("\ufeffx/1.png\r\n\n/elsewhere/2.png\nodd\u2028name.png\n")
    found = find_images(tmp_path / "list.txt")
    assert found.paths == ("x/1.png", "/elsewhere/2.png", "odd\u2028name.png")
    assert found.absolute(0) == tmp_path / "x/1.png"
    assert found.absolute(1) == Path("/elsewhere/2.png")


def test_a_csv_gives_its_column_image_path_beside_captions_of_several_lines(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text('caption,image_path\ncat,1.png\n"two,\nlines",2.png\n\n"a ""dog""",3.png\n')
    assert find_images(file).paths == ("1.png", "2.png", "3.png")


ROWS = [f"{number}.jpg,cat" for number in range(1, 40)]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (['"1.jpg,cat', *ROWS[1:]], "row 2 is not valid CSV .*stray quote"),
        ([*ROWS[:3], '"4.jpg,cat', *ROWS[4:30], '31.jpg",cat', *ROWS[31:]], "row 5 .*stray quote"),
        ([*ROWS[:3], '4.jpg,"cat', *ROWS[4:30], '31.jpg,cat"'], "row 5 holds a line break"),
        ([*ROWS[:3], '"4.jpg\n",cat'], "row 5 .*line break|row 5"),
        (["1.jpg,cat", "2,5.jpg,cat"], "row 3 has 3 fields, expected 2"),
        (["1.jpg,cat", ",dog"], "row 3 has an empty image_path"),
        (['"' + "x" * 200_000 + '",cat'], "row 2 is not valid CSV .*field limit"),
        (["1.jpg,c\0t"], "zero byte in line 2"),
    ],
)
def test_a_damaged_csv_is_refused_with_its_row(tmp_path: Path, rows: list[str], fault: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text("\n".join(["image_path,label", *rows]) + "\n")
    with pytest.raises(CdulEdgeError, match=fault) as caught:
        find_images(file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_csv_without_the_column_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    for header, fault in (
        ("path", "no single column image_path: it has path"),
        ("image_path,image_path", "no single column|row 2 has 1"),
    ):
        file.write_text(f"{header}\n1.png\n")
        with pytest.raises(CdulEdgeError, match=fault):
            find_images(file)


def test_a_csv_with_semicolons_is_a_list_too(tmp_path: Path) -> None:
    make(tmp_path, "1.png", "2.png")
    (tmp_path / "list.csv").write_text("label;image_path\ncat, dog;2.png\n;1.png\n")
    assert find_images(tmp_path / "list.csv").paths == ("2.png", "1.png")


@pytest.mark.parametrize("again", ["./1.png", "x/../1.png", ".//1.png", "x/./../1.png", "1.png"])
def test_one_picture_spelled_in_two_ways_is_one_picture(tmp_path: Path, again: str) -> None:
    make(tmp_path, "1.png", "x/2.png")
    file = tmp_path / "list.txt"
    file.write_text(f"{again}\nx/2.png\n")
    assert find_images(file).paths == ("1.png", "x/2.png")
    for other in (again, str(tmp_path / "1.png")):
        file.write_text(f"1.png\n\nx/2.png\n{other}\n")
        with pytest.raises(CdulEdgeError, match=r"twice, in lines 1 and 4"):
            find_images(file)


def test_dots_behind_a_symbolic_link_lead_where_the_system_says(tmp_path: Path) -> None:
    make(tmp_path, "1.png", "deep/er/2.png", "deep/1.png")
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    file = tmp_path / "list.txt"
    file.write_text("1.png\nlink/../1.png\n")  # deep/1.png, and not the first one again
    found = find_images(file)
    assert len(found) == 2
    assert found.absolute(1).samefile(tmp_path / "deep" / "1.png")


def test_accents_are_found_however_they_are_composed(tmp_path: Path) -> None:
    make(tmp_path, "cafe\u0301.png", "\u00fc.png")
    file = tmp_path / "list.txt"
    file.write_text("caf\u00e9.png\nu\u0308.png\n", encoding="utf-8")
    found = find_images(file)
    assert [found.absolute(i).read_bytes() for i in range(2)] == [PNG, PNG]


@pytest.mark.parametrize(
    "name",
    [
        ".ipynb_checkpoints/1-checkpoint.png",
        ".Trash-1000/files/1.png",
        ".thumbnails/large/1.png",
        "@eaDir/1.png/SYNOPHOTO_THUMB_M.jpg",
        "__MACOSX/x/._1.png",
        "x/$RECYCLE.BIN/1.png",
        "._1.png",
        "x/.1.jpg",
    ],
)
def test_what_other_programs_leave_is_no_picture_and_is_counted(tmp_path: Path, name: str) -> None:
    make(tmp_path, "1.png", name)
    with pytest.warns(CdulEdgeWarning, match="left out 1 hidden or left by other programs"):
        assert find_images(tmp_path).paths == ("1.png",)


def test_a_hidden_folder_that_is_asked_for_is_searched(tmp_path: Path) -> None:
    make(tmp_path, ".cache/1.png")
    assert find_images(tmp_path / ".cache").paths == ("1.png",)


def test_endings_of_cameras_and_browsers_are_read_or_counted(tmp_path: Path) -> None:
    make(tmp_path, "1.mpo", "2.pjpeg", "3.HIF", "4.jpg?x=1", "5.JPG_large", "6.nef", "Thumbs.db")
    with pytest.warns(CdulEdgeWarning, match=r"left out 3 that do not end .*'.jpg\?x=1'"):
        assert find_images(tmp_path).paths == ("1.mpo", "2.pjpeg", "3.HIF")
    with pytest.raises(CdulEdgeError, match=r"no pictures in .*left out 1 hidden"):
        make(tmp_path, "only/.thumbnails/1.png")
        find_images(tmp_path / "only")


def test_what_is_no_list_is_called_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("1.png", PNG)
    contents = {
        "a ZIP archive: unpack it": file.read_bytes(),
        r"a picture \(JPEG\)": b"\xff\xd8\xff\xe0junk",
        r"a picture \(PNG\)": PNG,
        "is UTF-16 and not UTF-8": "1.png\n".encode("utf-16"),
        "zero byte in line 1": "1.png\n".encode("utf-16-le"),
        "not UTF-8 .byte 3": "caf\xe9.png\n".encode("latin-1"),
    }
    for what, content in contents.items():
        file.write_bytes(content)
        with pytest.raises(CdulEdgeError, match=what):
            find_images(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_list(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list.txt")
    with pytest.raises(CdulEdgeError, match="neither a folder nor a file"):
        find_images(tmp_path / "list.txt")


def test_nothing_to_find_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "empty").mkdir()
    for source, fault in (
        (tmp_path / "none", "does not exist"),
        (tmp_path, r"no pictures in .*left out 1 that do not end as pictures do \('.txt'\)"),
        (tmp_path / "empty", "no pictures in .*at any depth$"),
        (tmp_path / "notes.txt", "no pictures in"),
    ):
        with pytest.raises(CdulEdgeError, match=fault):
            find_images(source)
    (tmp_path / "list.txt").write_text("1.png\n2.png\n1.png\n")
    with pytest.raises(CdulEdgeError, match=r"names '1.png' twice"):
        find_images(tmp_path / "list.txt")
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe1.png\n")
    with pytest.raises(CdulEdgeError, match="UTF-16"):
        find_images(tmp_path / "list.txt")


def test_a_name_that_is_not_utf8_is_left_out_and_said(tmp_path: Path) -> None:
    make(tmp_path, "1.png")
    try:
        (tmp_path / os.fsdecode(b"bad\xff.png")).write_bytes(PNG)
    except OSError:
        pytest.skip("this file system has no such names")
    with pytest.warns(CdulEdgeWarning, match=r"left out 1 whose name is not UTF-8 .*bad\\udcff"):
        assert find_images(tmp_path).paths == ("1.png",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every folder")
def test_a_folder_without_permission_is_refused_and_not_left_out(tmp_path: Path) -> None:
    make(tmp_path, "1.png", "closed/2.png")
    (tmp_path / "closed").chmod(0)
    with pytest.raises(CdulEdgeError, match="cannot be listed"):
        find_images(tmp_path)
    (tmp_path / "closed").chmod(0o700)

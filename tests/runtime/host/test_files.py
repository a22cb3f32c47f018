import errno
import os
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
from cdul_edge_runtime.host.ownership import FolderKind

KIND = FolderKind("result", "about.json", ("about.json", "*.bin", "inner/*.bin"))
OURS = '{"program": "cdul-edge"}'


def made_before(folder: Path) -> Path:
    result = folder / "result"
    result.mkdir()
    (result / "about.json").write_text(OURS)
    (result / "a.bin").write_text("old")
    return result


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


def test_a_full_disk_is_named_by_what_was_to_be_written(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    with pytest.raises(OSError, match="No space") as failed, atomic_write(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as `write` raises it
    assert failed.value.filename == str(file)


def test_a_write_appears_whole_under_its_name(tmp_path: Path) -> None:
    target = tmp_path / "new" / "result.txt"
    with atomic_write(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert names(target.parent) == ["result.txt"]


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    target = made_before(tmp_path)
    with pytest.raises(ValueError, match="boom"), new_directory(target, KIND, force=True) as half:
        (half / "a.bin").write_text("2")
        raise ValueError("boom")
    assert names(tmp_path) == ["result"]
    assert names(target) == ["a.bin", "about.json"]
    assert (target / "a.bin").read_text() == "old"


def test_a_folder_is_replaced_as_a_whole_with_force_and_refused_without(tmp_path: Path) -> None:
    target = made_before(tmp_path)
    with pytest.raises(CdulEdgeError, match="--force"), new_directory(target, KIND):
        pass
    with new_directory(target, KIND, force=True) as temporary:
        (temporary / "inner").mkdir()
        (temporary / "inner" / "b.bin").write_text("new")
    assert names(target) == ["inner"]


def test_an_empty_folder_counts_as_free_and_stays_the_same_folder(tmp_path: Path) -> None:
    number = tmp_path.stat().st_ino
    with new_directory(tmp_path, KIND) as temporary:
        (temporary / "about.json").write_text(OURS)
    assert names(tmp_path) == ["about.json"]
    assert tmp_path.stat().st_ino == number  # a mount point, or the current folder of a shell


def test_names_of_255_bytes_can_be_written(tmp_path: Path) -> None:
    long = "\N{GRINNING FACE}" * 63 + "abc"
    with atomic_write(tmp_path / long) as temporary:
        temporary.write_text("1")
    with new_directory(tmp_path / f"{long[:-1]}d", KIND):
        pass
    assert len(names(tmp_path)) == 2


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.ENOTSUP])
def test_a_file_system_without_permissions_takes_files_and_folders(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "chmod", refuse)
    write_json(tmp_path / "a.json", 1)
    with new_directory(tmp_path / "b", KIND):
        pass
    assert names(tmp_path) == ["a.json", "b"]


def test_a_file_system_without_fsync_takes_files_and_a_failing_disk_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [errno.EINVAL, errno.ENOTSUP, errno.EIO]

    def refuse(descriptor: int) -> None:
        raise OSError(answers.pop(0), "refused")

    monkeypatch.setattr(os, "fsync", refuse)
    write_json(tmp_path / "a.json", 1)
    write_json(tmp_path / "b.json", 1)
    with pytest.raises(OSError, match="refused"):
        write_json(tmp_path / "c.json", 1)
    assert names(tmp_path) == ["a.json", "b.json"]


def test_a_device_or_a_pipe_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_json(pipe, [1])
    assert os.read(reader, 100) == b"[\n  1\n]\n"
    os.close(reader)
    assert names(tmp_path) == ["pipe"]
    assert pipe.is_fifo()
    write_json(Path("/dev/null"), [1])
    assert Path("/dev/null").is_char_device()


def test_a_place_where_nothing_can_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "circle").symlink_to("circle")
    places = {"file/x": errno.ENOTDIR, "x" * 300: errno.ENAMETOOLONG, "circle/x": errno.ELOOP}
    for name, number in places.items():
        with pytest.raises(OSError, match=r"\[Errno") as caught:
            refuse_existing(tmp_path / name, KIND, force=True)
        assert caught.value.errno == number
    refuse_existing(tmp_path / "new" / "x", KIND, force=False)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(CdulEdgeError, match=f"{tmp_path} cannot be written to"):
        refuse_existing(tmp_path / "new" / "x", KIND, force=False)


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
    path.write_bytes(b"\xef\xbb\xbf[1]")  # with a byte order mark
    assert read_json(path) == [1]
    for text in ("[" * 100_000, "1" * 5_000, '"\udcff"'):
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        with pytest.raises(CdulEdgeError, match=r"a\.json is not valid JSON"):
            read_json(path)
    write_json(path, "caf\udce9.jpg")  # a name in Latin-1, as the system gives it
    assert path.read_bytes() == b'"caf\\udce9.jpg"\n'
    assert read_json(path) == "caf\udce9.jpg"
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, float("nan"))

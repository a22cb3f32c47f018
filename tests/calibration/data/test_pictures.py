from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cdul_edge_calibration.data.pictures import (
    BATCH,
    PER_CLASS,
    Choice,
    PreparedPictures,
    choose_pictures,
    prepare_pictures,
)
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console
from cdul_edge_runtime.pictures.images import PictureList, find_images
from cdul_edge_runtime.pictures.preprocess import Preprocess

# What the root conftest's bundle predicts: red and green where their channel is bright; blue has
# the threshold +inf.
RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9)


@pytest.fixture
def classifier(bundle: Path) -> Iterator[Classifier]:
    with Classifier.load(bundle, device="cpu") as loaded:
        yield loaded


@pytest.fixture
def choose(classifier: Classifier, tmp_path: Path, console: Console) -> Callable[..., Choice]:
    calls = iter(range(100))

    def run(pool: PictureList, **changes: Any) -> Choice:
        folder = tmp_path / f"inputs{next(calls)}"
        folder.mkdir()
        settings: dict[str, Any] = {
            "count": 10,
            "check_count": 0,
            "seed": 0,
            "folder": folder,
            "console": console,
        }
        return choose_pictures(classifier, pool, **(settings | changes))

    return run


def paint(folder: Path, *colors: tuple[int, int, int], first: int = 0) -> PictureList:
    folder.mkdir(exist_ok=True)
    for number, color in enumerate(colors, first):
        picture = Image.new("RGB", (8, 8), color)
        picture.putpixel((1, 1), (*color[:2], number % 256))  # copies would be left out
        picture.save(folder / f"{number:03}.png")
    return find_images(folder)


@pytest.fixture
def mixed(tmp_path: Path) -> PictureList:
    """120 pictures: plenty of red and green, each of its own shade."""
    shades = [(255, n, 0) if n % 2 else (0, 255, n) for n in range(120)]
    return paint(tmp_path / "pool", *shades)


def test_a_seed_decides_the_choice(choose: Callable[..., Choice], mixed: PictureList) -> None:
    first, again, other = (choose(mixed, seed=seed, count=20) for seed in (1, 1, 2))
    assert first.calibration.paths == again.calibration.paths
    assert first.calibration.digests == again.calibration.digests
    assert set(first.calibration.paths) != set(other.calibration.paths)
    assert first.calibration.paths != sorted(first.calibration.paths)  # not the folder's head


def test_the_counts_are_kept_and_no_picture_stands_on_both_sides(
    choose: Callable[..., Choice], mixed: PictureList
) -> None:
    choice = choose(mixed, count=40, check_count=50)
    assert (len(choice.calibration), len(choice.check)) == (40, 50)
    assert choice.check_is_separate
    assert len({*choice.calibration.paths, *choice.check.paths}) == 90


def test_all_pictures_calibrate_where_there_are_fewer_than_wished(
    choose: Callable[..., Choice], mixed: PictureList
) -> None:
    choice = choose(mixed, count=1000)
    assert sorted(choice.calibration.paths) == list(mixed.paths)


def test_a_rare_class_is_searched_beyond_the_count_and_added(
    choose: Callable[..., Choice], tmp_path: Path
) -> None:
    pool = paint(tmp_path / "pool", *[RED] * 24, *[GREEN] * 6, *[GREY] * 10)
    choices = [choose(pool, count=20, check_count=0, seed=seed) for seed in range(8)]
    for choice in choices:
        assert choice.predicted["green"] >= PER_CLASS
        assert len(choice.calibration) >= 20
    # In some order green comes late: then more than 20 calibrate, and only green was added.
    assert max(len(choice.calibration) for choice in choices) > 20
    for choice in choices:
        added = choice.calibration.paths[20:]
        assert all(Image.open(pool.root / path).getpixel((0, 0)) == GREEN for path in added)


def test_the_search_for_a_class_that_nothing_shows_ends(
    choose: Callable[..., Choice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = paint(tmp_path / "pool", *[RED] * 60)
    prepared = []
    apply = Preprocess.apply
    monkeypatch.setattr(Preprocess, "apply", lambda *a: prepared.append(1) or apply(*a))  # type: ignore[func-returns-value]
    choice = choose(pool, count=10, check_count=5)
    assert len(prepared) == 2 * (10 + 5)
    assert (len(choice.calibration), choice.predicted["green"]) == (10, 0)


def test_a_class_with_an_endless_threshold_is_not_waited_for(
    choose: Callable[..., Choice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = paint(tmp_path / "pool", *[(255, 255, 255)] * 60)
    prepared = []
    apply = Preprocess.apply
    monkeypatch.setattr(Preprocess, "apply", lambda *a: prepared.append(1) or apply(*a))  # type: ignore[func-returns-value]
    choice = choose(pool, count=8)
    assert len(prepared) == 8  # red and green are seen eight times: blue can never be
    assert choice.predicted == {"red": 8, "green": 8, "blue": 0}


def test_what_cannot_be_read_is_skipped_and_listed(
    choose: Callable[..., Choice], tmp_path: Path
) -> None:
    folder = tmp_path / "pool"
    paint(folder, *[RED] * 6)
    (folder / "corrupt.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (folder / "empty.jpg").write_bytes(b"")
    listed = tmp_path / "list.txt"
    names = [*sorted(path.name for path in folder.iterdir()), "gone.png"]
    listed.write_text("\n".join(f"pool/{name}" for name in names))
    choice = choose(find_images(listed))
    assert sorted(choice.calibration.paths) == [f"pool/00{n}.png" for n in range(6)]
    told = {Path(error.path).name: error.reason for error in choice.unreadable}
    assert set(told) == {"corrupt.png", "empty.jpg", "gone.png"}
    assert "empty" in told["empty.jpg"]
    assert "cannot be read" in told["gone.png"]


def test_corrupt_pictures_alone_are_one_clear_error(
    choose: Callable[..., Choice], tmp_path: Path
) -> None:
    folder = tmp_path / "pool"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"broken")
    with pytest.raises(
        CdulEdgeError, match=r"none of the 2 pictures under .*nothing was .*--images"
    ) as error:
        choose(find_images(folder))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("pool_size", "separate"), [(41, False), (42, True)])
def test_fewer_than_32_pictures_do_not_check_alone(
    choose: Callable[..., Choice], tmp_path: Path, pool_size: int, separate: bool
) -> None:
    pool = paint(tmp_path / "pool", *[(255, 255, n) for n in range(pool_size)])
    choice = choose(pool, count=10, check_count=100)
    assert choice.check_is_separate is separate
    assert choice.check.paths == (choice.check if separate else choice.calibration).paths
    assert len(choice.check) == (32 if separate else 10)


def test_fewer_checks_than_32_are_enough_where_no_more_were_asked_for(
    choose: Callable[..., Choice], mixed: PictureList
) -> None:
    choice = choose(mixed, count=10, check_count=5)
    assert choice.check_is_separate
    assert len(choice.check) == 5


def test_pictures_of_any_size_become_inputs_of_one(
    choose: Callable[..., Choice], tmp_path: Path
) -> None:
    folder = tmp_path / "pool"
    folder.mkdir()
    for number, size in enumerate([(1, 1), (300, 20), (8, 8), (17, 640)]):
        Image.new("RGB", size, (255, number, 0)).save(folder / f"{number}.png")
    (batch,) = choose(find_images(folder)).calibration.batches()
    assert batch.shape == (4, 8, 8, 3)
    assert {tuple(pixel) for pixel in batch.reshape(-1, 3)} == {(255, n, 0) for n in range(4)}


def test_of_copies_one_is_taken_whatever_their_files(
    choose: Callable[..., Choice], tmp_path: Path
) -> None:
    """130 copies are no 130 proofs: JPEG or PNG, of any name, they give the same inputs."""
    folder = tmp_path / "pool"
    paint(folder, RED, GREEN)
    Image.open(folder / "000.png").resize((8, 8)).save(folder / "copy.bmp")
    (folder / "again.png").write_bytes((folder / "000.png").read_bytes())
    choice = choose(find_images(folder))
    assert (len(choice.calibration), choice.copies) == (2, 2)


def test_digests_are_of_the_files_and_inputs_of_their_pictures(
    choose: Callable[..., Choice], mixed: PictureList
) -> None:
    chosen = choose(mixed, count=9).calibration
    contents = [(mixed.root / path).read_bytes() for path in chosen.paths]
    assert chosen.digests == [hashlib.sha256(content).hexdigest() for content in contents]
    inputs = np.concatenate(list(chosen.batches()))
    colors = [Image.open(mixed.root / path).getpixel((0, 0)) for path in chosen.paths]
    assert inputs[:, 0, 0].tolist() == [list(color) for color in colors]  # type: ignore[arg-type]


def test_batches_give_back_what_was_appended_and_hold_a_few_at_once(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    inputs: npt.NDArray[np.uint8] = generator.integers(0, 256, (10, 8, 16, 3), dtype=np.uint8)
    prepared = PreparedPictures(tmp_path / "inputs.bin", Preprocess(8, 16))
    assert list(prepared.batches()) == []
    for number, row in enumerate(inputs):
        prepared.append(f"{number}.png", "digest", row)
    told: list[int] = []
    for _ in range(2):  # from the start each time
        assert np.array_equal(np.concatenate(list(prepared.batches(told.append))), inputs)
    assert (told, len(prepared)) == ([BATCH, BATCH, 2] * 2, 10)


def test_exactly_the_named_pictures_are_prepared_in_their_order(
    mixed: PictureList, tmp_path: Path
) -> None:
    names = [f"{n:03}.png" for n in (5, 3, 99, 1, 0, 7)]
    (mixed.root / "099.png").write_bytes(b"")
    prepared, unreadable = prepare_pictures(mixed, names, Preprocess(8, 8), tmp_path / "these.bin")
    assert prepared.paths == [name for name in names if name != "099.png"]
    assert np.concatenate(list(prepared.batches()))[1, 0, 0].tolist() == [255, 3, 0]
    assert [Path(error.path).name for error in unreadable] == ["099.png"]


def test_a_picture_that_the_pool_does_not_have_is_an_error(
    mixed: PictureList, tmp_path: Path
) -> None:
    with pytest.raises(CdulEdgeError, match=r"has no other\.png"):
        prepare_pictures(mixed, ["000.png", "other.png"], Preprocess(8, 8), tmp_path / "x.bin")

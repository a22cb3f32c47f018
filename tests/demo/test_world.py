"""The drawn world: the same seed paints the same, and its truth tells what can be seen."""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from cdul_edge.demo import world as world_module
from cdul_edge.demo.canvas import Canvas
from cdul_edge.demo.captions import write_caption
from cdul_edge.demo.shapes import SHAPES, Ink, Part, Shape, box
from cdul_edge.demo.world import (
    CLASS_NAMES,
    WorldSettings,
    paint_scene,
    paint_single,
    paint_world,
    picture_seed,
)
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.metrics.truth import read_truth
from cdul_edge_runtime.pictures.images import open_image

SQUARE = Shape(lambda rng: [Part(box(-1, -1, 1, 1), Ink.MAIN)], max_turn_rad=0.0)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_classes_are_twelve_ordinary_words_in_a_fixed_order() -> None:
    assert (
        *("star", "house", "tree", "car", "fish", "umbrella"),
        *("key", "cup", "flower", "boat", "mushroom", "rocket"),
    ) == CLASS_NAMES


def test_the_same_seed_paints_the_same_scene_and_another_seed_another() -> None:
    first, again, other = paint_scene(7), paint_scene(7), paint_scene(8)
    assert first.image.shape == (144, 144, 3)
    assert first.image.dtype == np.uint8
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert (first.image != other.image).mean() > 0.5


def test_no_two_of_seed_stream_and_index_share_a_picture_seed() -> None:
    seeds = {
        picture_seed(seed, stream, index)
        for seed in (0, 1, 2, 3, 12)
        for stream in ("train", "heldout", "clip", "clip-check")
        for index in (0, 1, 2**32 - 1)
    }
    assert len(seeds) == 5 * 4 * 3


def test_a_scene_shows_one_to_four_things_of_which_hardly_any_is_hidden() -> None:
    labels = np.stack([paint_scene(seed, 48).labels for seed in range(300)])
    assert labels.sum(axis=1).max() == 4
    assert 2.2 < labels.sum(axis=1).mean() < 2.5  # 2.4 painted on average
    assert labels.mean(axis=0)[0] > 2 * labels.mean(axis=0)[-1]  # stars are common, rockets rare


def test_an_uncovered_thing_is_wholly_visible_and_a_covered_one_by_its_rest() -> None:
    canvas = Canvas(np.random.default_rng(0), 100)
    canvas.add_object(SQUARE, "red", (0.3, 0.5), 0.2)
    assert canvas.visible_fractions() == [1.0]
    canvas.add_object(SQUARE, "blue", (0.3, 0.3), 0.2)  # as wide or wider: covers the upper half
    canvas.add_object(SQUARE, "blue", (0.3, 0.3), 0.2)
    below, middle, above = canvas.visible_fractions()
    assert below == pytest.approx(0.5, abs=0.1)
    assert middle < 0.2
    assert above == 1.0


def test_a_thing_outside_the_picture_is_not_visible() -> None:
    canvas = Canvas(np.random.default_rng(0), 100)
    canvas.add_object(SQUARE, "red", (3.0, 0.5), 0.2)
    assert canvas.visible_fractions() == [0.0]


def test_occluders_hide_what_they_cover() -> None:
    canvas = Canvas(np.random.default_rng(0), 100)
    canvas.add_object(SQUARE, "red", (0.5, 0.5), 0.4)
    canvas.add_occluders(40)
    assert 0.5 < canvas.visible_fractions()[0] < 0.9


@pytest.mark.parametrize("name", CLASS_NAMES)
def test_every_class_is_drawn_within_its_circle_and_fills_a_part_of_it(name: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        points = np.concatenate([part.points for part in SHAPES[name].parts(rng)])
        assert np.abs(points).max() < 1.15
        assert np.ptp(points, axis=0).max() > 1.3


def test_a_caption_names_the_dominant_thing_and_no_other_class() -> None:
    for seed in range(200):
        picture = paint_single(seed, 32, companion_chance=1.0)
        words = picture.caption.split()
        assert [word for word in words if word in CLASS_NAMES] == [CLASS_NAMES[picture.class_index]]


def test_captions_use_the_size_word_only_for_the_extremes() -> None:
    rng = np.random.default_rng(0)
    about = {"name": "cup", "color": "red", "background": "plain"}
    captions = {
        radius: " ".join(write_caption(rng, **about, radius=radius) for _ in range(50))
        for radius in (0.2, 0.3, 0.4)
    }
    assert "small" in captions[0.2]
    assert "big" in captions[0.4]
    assert "small" not in captions[0.3]
    assert "big" not in captions[0.3]


def test_a_painted_world_holds_the_scenes_that_paint_scene_paints(tmp_path: Path) -> None:
    world = paint_world(tmp_path / "world", train=5, heldout=3, seed=4, size_px=64)
    assert world.classes.read_text().split() == list(CLASS_NAMES)
    classes = ClassList(CLASS_NAMES)
    for split, folder, truth, count in (
        ("train", world.train, world.train_truth, 5),
        ("heldout", world.heldout, world.heldout_truth, 3),
    ):
        names = [f"{index:05d}.jpg" for index in range(count)]
        assert sorted(path.name for path in folder.iterdir()) == names
        scenes = [paint_scene(picture_seed(4, split, index), 64) for index in range(count)]
        written = read_truth(truth).for_paths([f"{split}/{name}" for name in names], classes)
        np.testing.assert_array_equal(written, np.stack([scene.labels for scene in scenes]))
        for name, scene in zip(names, scenes, strict=True):
            read = np.asarray(open_image(folder / name), dtype=np.float64)
            assert np.abs(read - scene.image).mean() < 15  # JPEG halves the colors' resolution


def test_the_splits_of_a_world_and_worlds_of_other_seeds_share_no_picture(tmp_path: Path) -> None:
    worlds = [
        paint_world(tmp_path / str(seed), train=4, heldout=4, seed=seed, size_px=48)
        for seed in (0, 1)
    ]
    pictures = [
        path.read_bytes()
        for world in worlds
        for folder in (world.train, world.heldout)
        for path in folder.iterdir()
    ]
    assert len(set(pictures)) == 16


def test_truth_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    world = paint_world(tmp_path / "world", train=1, heldout=1, seed=0, size_px=48)
    with world.heldout_truth.open(newline="") as file:
        header, row = csv.reader(file)
    assert header == ["image_path", *CLASS_NAMES]
    assert (world.heldout_truth.parent / row[0]).is_file()


def test_an_interrupted_world_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world_module, "PART_PICTURES", 2)
    paint = partial(paint_world, train=6, heldout=2, seed=3, size_px=48)
    whole = paint(tmp_path / "whole")
    painted = []

    def interrupt(pictures: int) -> None:
        painted.append(pictures)
        if len(painted) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        paint(tmp_path / "cut", on_painted=interrupt)
    kept = tmp_path / "cut" / "train" / "00001.jpg"
    before = kept.stat().st_mtime_ns
    assert not (tmp_path / "cut" / "world.json").exists()
    resumed = paint(tmp_path / "cut")
    assert kept.stat().st_mtime_ns == before
    assert contents(resumed.root) == contents(whole.root)


def test_a_finished_world_is_not_painted_again(tmp_path: Path) -> None:
    paint = partial(paint_world, train=2, heldout=1, seed=3, size_px=48)
    world = paint(tmp_path / "world")
    before = {path: path.stat().st_mtime_ns for path in world.root.rglob("*")}
    paint(tmp_path / "world")
    assert {path: path.stat().st_mtime_ns for path in world.root.rglob("*")} == before


def test_several_processes_paint_the_same_bytes(tmp_path: Path) -> None:
    paint = partial(paint_world, train=3, heldout=1, seed=3, size_px=48)
    alone = paint(tmp_path / "alone", workers=1)
    together = paint(tmp_path / "together", workers=2)
    assert contents(alone.root) == contents(together.root)


def test_another_world_in_the_way_is_refused_and_replaced_only_by_force(tmp_path: Path) -> None:
    out = tmp_path / "world"
    paint_world(out, train=3, heldout=1, seed=3, size_px=48)
    with pytest.raises(CdulEdgeError, match=r"seed 3, now 4.*--force"):
        paint_world(out, train=3, heldout=1, seed=4, size_px=48)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(CdulEdgeError, match=r"also holds notes\.txt"):
        paint_world(out, train=2, heldout=1, seed=4, size_px=48, force=True)
    (out / "notes.txt").unlink()
    paint_world(out, train=2, heldout=1, seed=4, size_px=48, force=True)
    assert len(list((out / "train").iterdir())) == 2


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(CdulEdgeError, match="exists"):
        paint_world(tmp_path, train=1, heldout=1, seed=0)
    assert contents(tmp_path) == {"notes.txt": b"mine"}


@pytest.mark.parametrize(
    "wrong", [{"train": 0}, {"heldout": 0}, {"seed": -1}, {"size_px": 8}], ids=str
)
def test_numbers_out_of_range_are_refused_and_nothing_is_written(
    tmp_path: Path, wrong: dict[str, int]
) -> None:
    with pytest.raises(CdulEdgeError, match="or more"):
        WorldSettings(**{"train": 1, "heldout": 1, "seed": 0, **wrong})
    with pytest.raises(CdulEdgeError, match="or more"):
        paint_world(tmp_path / "world", train=1, heldout=1, seed=-1)
    assert not (tmp_path / "world").exists()

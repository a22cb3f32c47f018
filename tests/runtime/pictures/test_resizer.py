"""The fast resizer is held to Pillow, on every way in; where it cannot be trusted, Pillow works."""

from __future__ import annotations

import os
import sys
import types
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import PIL
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from cdul_edge_runtime.choices import Interpolation, Resize
from cdul_edge_runtime.errors import CdulEdgeWarning
from cdul_edge_runtime.pictures import fast_resizer, resizer
from cdul_edge_runtime.pictures.images import upright_rgb
from cdul_edge_runtime.pictures.preprocess import Preprocess

Pixels = npt.NDArray[np.uint8]
FILTERS = resizer.PILLOW_FILTERS
needs_fast = pytest.mark.skipif(
    not resizer.resizer_name().startswith("cykooz"), reason="cykooz-resizer is not installed"
)
# one picture for each way in which a filter can go wrong
KINDS = ("photo", "noise", "dots", "steps")
SIDES = st.one_of(st.integers(1, 40), st.integers(1, 400), st.sampled_from([1, 16, 32, 33, 64]))


def draw(kind: str, height: int, width: int) -> Pixels:
    """(height, width, 3): smooth, random, black and white, or a saw that runs over at 256."""
    rng = np.random.default_rng(height * 1000 + width)
    down, across = np.mgrid[0:height, 0:width]
    if kind == "noise":
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    if kind == "dots":
        return (rng.integers(0, 2, (height, width, 3)) * 255).astype(np.uint8)
    if kind == "steps":
        return np.stack([(across * 5 + down * 3 + c * 40) % 256 for c in range(3)], 2).astype("u1")
    waves = [np.sin(across / (9 + c)) + np.cos(down / (7 + 3 * c)) for c in range(3)]
    return np.clip(128 + 50 * np.stack(waves, 2) + rng.normal(0, 6, (height, width, 3)), 0, 255)\
        .astype(np.uint8)  # fmt: skip


def by_pillow(image: Image.Image, how: Preprocess) -> Pixels:
    """What Pillow alone makes of it, written down without our code."""
    size, chosen = (how.width_px, how.height_px), FILTERS[how.interpolation]
    if how.resize == "squash":
        return np.asarray(image.resize(size, chosen))
    if how.resize == "center":
        return np.asarray(ImageOps.fit(image, size, chosen, bleed=(1 - how.crop) / 2))
    scale = min(size[0] / image.width, size[1] / image.height)
    inner = image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), chosen
    )
    canvas = Image.new("RGB", size, tuple(round(255 * value) for value in how.mean))
    corner = round((size[0] - inner.width) / 2), round((size[1] - inner.height) / 2)
    canvas.paste(inner, corner)
    return np.asarray(canvas)


def assert_near(got: Pixels, wanted: Pixels) -> None:
    assert got.shape == wanted.shape
    assert np.abs(got.astype(int) - wanted).max() <= 1


@needs_fast
@given(
    picture=st.tuples(st.sampled_from(KINDS), SIDES, SIDES),
    size=st.tuples(st.integers(8, 96), st.integers(8, 96)),
    policy=st.sampled_from(["squash", "center", "letterbox"]),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
    crop=st.sampled_from([1.0, 0.875, 0.5, 1 / 3, 0.95]),
)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_every_size_policy_and_filter_is_pillows_picture_within_a_level(
    picture: tuple[str, int, int],
    size: tuple[int, int],
    policy: Resize,
    interpolation: Interpolation,
    crop: float,
) -> None:
    pixels = draw(*picture)
    how = Preprocess(*size, resize=policy, interpolation=interpolation, crop=crop)
    wanted = by_pillow(Image.fromarray(pixels), how)
    got = how.apply(pixels)
    assert_near(got, wanted)
    assert (how.apply(Image.fromarray(pixels)) == got).all()  # of 4 bytes per pixel, not 3
    mirrored = np.ascontiguousarray(pixels[:, :, ::-1])
    assert (how.apply(mirrored, color="bgr") == got).all()


@needs_fast
@pytest.mark.parametrize("interpolation", get_args(Interpolation))
@pytest.mark.parametrize("policy", get_args(Resize))
def test_photographs_are_the_same_in_99_of_100_values_and_never_2_away(
    policy: Resize, interpolation: Interpolation
) -> None:
    for height, width, side in ((720, 1280, 224), (375, 500, 96), (640, 427, 224), (333, 1000, 64)):
        how = Preprocess(side, side, resize=policy, interpolation=interpolation, crop=0.875)
        pixels = draw("photo", height, width)
        apart = np.abs(how.apply(pixels).astype(int) - by_pillow(Image.fromarray(pixels), how))
        assert apart.max() <= 1
        assert (apart > 0).mean() < 0.01


@pytest.mark.parametrize("crop", [1.0, 0.875, 0.31])
@pytest.mark.parametrize("shape", [(97, 31), (31, 97), (50, 50), (1, 90), (90, 1), (33, 47)])
def test_with_pillow_the_crop_is_that_of_its_own_fit(shape: tuple[int, int], crop: float) -> None:
    image = Image.fromarray(draw("noise", *shape))
    for size in ((24, 24), (16, 40), (33, 47)):
        how = Preprocess(*size, resize="center", crop=crop, interpolation="bicubic")
        with resizer.pillow_alone():
            assert (how.apply(image) == by_pillow(image, how)).all()


@needs_fast
@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1", "I;16", "YCbCr", "HSV"])
def test_every_mode_that_is_taken(mode: str) -> None:
    source = Image.fromarray(draw("photo", 61, 83))
    image = (
        Image.fromarray(np.asarray(source.convert("L")).astype(np.uint16) * 257)
        if mode == "I;16"
        else source.convert(mode)
    )
    assert image.mode == mode
    rgb = upright_rgb(image)
    for policy in get_args(Resize):
        how = Preprocess(32, 48, resize=policy, crop=0.9)
        assert_near(how.apply(rgb), by_pillow(rgb, how))


def test_arrays_of_any_strides_give_what_a_plain_one_gives() -> None:
    frame = draw("noise", 40, 56)
    how = Preprocess(24, 32, resize="letterbox")
    wanted = how.apply(frame)
    padded = np.zeros((50, 60, 4), np.uint8)
    padded[5:45, 2:58, :3] = frame
    readonly = frame.copy()
    readonly.flags.writeable = False
    upside_down = frame[::-1].copy()
    same = {
        "a part of a larger frame": padded[5:45, 2:58, :3],
        "Fortran's order": np.asfortranarray(frame),
        "read-only": readonly,
        "turned over": upside_down[::-1],
        "every second row": np.repeat(frame, 2, axis=0)[::2],
    }
    for name, array in same.items():
        before = array.copy()
        assert (how.apply(array) == wanted).all(), name
        assert (array == before).all(), name
    bgr = frame[:, :, ::-1]
    assert (how.apply(bgr, color="bgr") == wanted).all()
    assert (how.apply(bgr.copy(), color="bgr") == wanted).all()
    assert (how.apply(bgr.copy()[:, :, ::-1]) == wanted).all()  # OpenCV's frame, mirrored


def test_the_color_of_the_border_is_not_mirrored_with_the_frame() -> None:
    blue = np.zeros((16, 64, 3), np.uint8)
    blue[..., 0] = 255  # OpenCV's blue
    got = Preprocess(16, 16, "letterbox", mean=(1.0, 0.5, 0.0)).apply(blue, color="bgr")
    assert got[0, 0].tolist() == [255, 128, 0]
    assert got[8, 8].tolist() == [0, 0, 255]


@needs_fast
def test_a_frame_is_resized_as_it_is_and_a_picture_is_not_made_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame, how = draw("photo", 360, 640), Preprocess(96, 96)
    wanted = by_pillow(Image.fromarray(frame), how)

    def refuse(*made: object) -> Image.Image:
        raise AssertionError("Pillow was asked for a picture")

    resizer.resizer_name()  # its self-check makes pictures
    monkeypatch.setattr(Image, "new", refuse)
    assert_near(how.apply(frame), wanted)
    assert_near(how.apply(frame[:, :, ::-1].copy(), color="bgr"), wanted)


@needs_fast
@pytest.mark.parametrize("policy", get_args(Resize))
def test_a_large_frame_is_resized_a_few_rows_at_a_time(policy: Resize) -> None:
    frame = np.tile(draw("photo", 37, 1600), (49, 1, 1))
    assert frame.nbytes > 2 * fast_resizer._STRIP_BYTES
    how = Preprocess(64, 48, resize=policy, interpolation="bicubic", crop=0.7)
    wanted = by_pillow(Image.fromarray(frame), how)
    assert_near(how.apply(frame), wanted)
    assert_near(how.apply(frame[:, :, ::-1].copy(), color="bgr"), wanted)


def test_threads_do_not_disturb_one_another() -> None:
    how = Preprocess(32, 32, interpolation="bicubic")
    frames = [draw("noise", 290 + number // 4, 320) for number in range(8)]
    alone = [how.apply(frame) for frame in frames]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(how.apply, frames * 20))
    assert all((one == alone[place % 8]).all() for place, one in enumerate(together))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_resizes_as_its_parent_does() -> None:
    how, frame = Preprocess(16, 16), draw("noise", 290, 310)
    wanted = how.apply(frame)
    if (child := os.fork()) == 0:
        os._exit(0 if (how.apply(frame) == wanted).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As in a new process, which has neither chosen nor said anything yet."""
    monkeypatch.setattr(resizer, "_chosen", {})
    monkeypatch.setattr(resizer, "_said", {})
    return monkeypatch


def what_is_said(how: Preprocess, frame: Pixels) -> list[str]:
    """Resize it three times; the picture must be Pillow's."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(3):
            assert (how.apply(frame) == by_pillow(Image.fromarray(frame), how)).all()
    assert all(one.category is CdulEdgeWarning for one in said)
    return [str(one.message) for one in said]


def test_without_the_extra_pillow_works_and_nothing_is_said(unasked: pytest.MonkeyPatch) -> None:
    unasked.setitem(sys.modules, "cykooz_resizer", None)
    assert what_is_said(Preprocess(16, 16), draw("noise", 30, 50)) == []
    assert resizer.resizer_name() == f"Pillow {PIL.__version__}"


def test_a_pillow_that_is_too_old_is_named(unasked: pytest.MonkeyPatch) -> None:
    def convolution(_: object) -> None:
        raise ValueError("PyCapsule_GetPointer called with incorrect name")

    module = types.ModuleType("cykooz_resizer")
    module.ResizeAlg = types.SimpleNamespace(convolution=convolution)  # type: ignore[attr-defined]
    module.FilterType = types.SimpleNamespace(bilinear=0)  # type: ignore[attr-defined]
    unasked.setitem(sys.modules, "cykooz_resizer", module)
    (line,) = what_is_said(Preprocess(16, 16), draw("noise", 30, 50))
    assert f"not used (it needs Pillow 11, and Pillow {PIL.__version__} is here): Pillow" in line


def test_another_version_falls_back_to_pillow_and_says_so_once(
    unasked: pytest.MonkeyPatch,
) -> None:
    unasked.setitem(sys.modules, "cykooz_resizer", types.ModuleType("cykooz_resizer"))
    (line,) = what_is_said(Preprocess(16, 16), draw("noise", 30, 50))
    assert line.startswith("cykooz-resizer is installed and not used (module 'cykooz_resizer' has")
    assert "Pillow resizes pictures" in line
    assert resizer.resizer_name() == resizer.pillow_name()


@needs_fast
def test_one_that_computes_something_else_is_not_used(unasked: pytest.MonkeyPatch) -> None:
    import cykooz_resizer

    unasked.setattr(
        cykooz_resizer.ResizeAlg, "convolution", lambda filter: cykooz_resizer.ResizeAlg.nearest()
    )
    (line,) = what_is_said(Preprocess(16, 16), draw("noise", 30, 50))
    assert "levels of 255 away from Pillow" in line
    assert resizer.resizer_name() == resizer.pillow_name()


@needs_fast
def test_a_picture_that_it_cannot_resize_goes_to_pillow_and_is_said_once(
    unasked: pytest.MonkeyPatch,
) -> None:
    import cykooz_resizer

    library = cykooz_resizer.Resizer
    of_pictures, of_arrays = library.resize_pil, library.resize

    class PanicException(BaseException):
        """As Rust's, which is no `Exception`."""

    def fail_on_500(whole: Callable[..., None]) -> Callable[..., None]:
        def fail_or_resize(self: object, source: Any, fitted: object, options: object) -> None:
            if source.width == 500:
                raise PanicException("out of\nbounds")
            whole(self, source, fitted, options)

        return fail_or_resize

    unasked.setattr(library, "resize_pil", fail_on_500(of_pictures))
    unasked.setattr(library, "resize", fail_on_500(of_arrays))
    (line,) = what_is_said(Preprocess(16, 16), draw("noise", 300, 500))
    assert "cannot resize a picture of 500x300 px (out of bounds): Pillow resizes it" in line
    assert what_is_said(Preprocess(16, 16), draw("noise", 310, 500)) == []  # another like it
    assert resizer.resizer_name().startswith("cykooz-resizer ")  # the others stay fast


def test_what_the_user_ends_is_no_fault_of_the_resizer(unasked: pytest.MonkeyPatch) -> None:
    class Ended:
        name = "cykooz-resizer"

        def resize(self, *how: object) -> Image.Image:
            raise KeyboardInterrupt

        resize_array = resize

    unasked.setattr(resizer, "_chosen", {"chosen": Ended()})
    for picture in (draw("noise", 30, 50), Image.fromarray(draw("noise", 30, 50))):
        with pytest.raises(KeyboardInterrupt):
            Preprocess(16, 16).apply(picture)

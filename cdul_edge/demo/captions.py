"""The captions that the tiny CLIP learns from: one dominant thing, in many turns of phrase."""

from __future__ import annotations

import numpy as np

# {} takes "a red star"; {bare} takes "red star".
TEMPLATES = (
    "a photo of {}",
    "a picture of {}",
    "an image of {}",
    "a drawing of {}",
    "a painting of {}",
    "a cropped photo of {}",
    "this is {}",
    "there is {} in the scene",
    "{}",
    "{bare}",
    "a photo of the {bare}",
    "a photo of one {bare}",
    "a good picture of the {bare}",
    "the {bare}",
)
EMPTY_TEMPLATES = (
    "a {} background",
    "a photo of a {} background",
    "an empty {} background",
    "nothing but a {} background",
)
BIG, SMALL = "big", "small"


def write_caption(
    rng: np.random.Generator, *, name: str, color: str, background: str, radius: float
) -> str:
    """Describe the dominant thing of a picture; color, size and background are often left out.

    Args:
        radius: of the thing, as a fraction of the picture's side; the extremes earn a size word.
    """
    words = f"{color} {name}" if rng.random() < 0.6 else name
    size = BIG if radius > 0.38 else SMALL if radius < 0.26 else ""
    if size and rng.random() < 0.35:
        words = f"{size} {words}"
    template = TEMPLATES[rng.integers(len(TEMPLATES))]
    caption = template.format(_with_article(rng, words), bare=words)
    if rng.random() < 0.4:
        caption += f" on a {background} background"
    return caption


def write_empty_caption(rng: np.random.Generator, background: str) -> str:
    """Describe a picture that shows no thing of any class."""
    return EMPTY_TEMPLATES[rng.integers(len(EMPTY_TEMPLATES))].format(background)


def _with_article(rng: np.random.Generator, words: str) -> str:
    # "a photo of a {}" makes "a umbrella": the usual prompt must read like a caption it has seen.
    proper = words[0] in "aeiou" and rng.random() < 0.6
    return f"an {words}" if proper else f"a {words}"

"""One picture of many: held-out pictures with what the classifier says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from cdul_edge_runtime.host.files import atomic_write
from cdul_edge_runtime.pictures.images import open_image

CELL_PX = 200
LINE_PX = 17
MARGIN_PX = 10
LINES = 5
MARK_PX = 9
# Told apart by people who see no red or green too (Okabe and Ito 2008); each has a mark as well.
RIGHT, WRONG, MISSED, INK = (0, 114, 178), (213, 94, 0), (110, 110, 110), (30, 30, 30)
PAPER = (255, 255, 255)

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Sample:
    """A picture, the scores of the predicted classes, and the names that are really there."""

    picture: Path
    predicted: dict[str, float]
    truth: frozenset[str]


def draw_contact_sheet(samples: Sequence[Sample], out: Path, *, columns: int = 5) -> None:
    """Write a PNG: under each picture, which keeps its shape, the classes and their marks.

    A disc stands before a class that is predicted and there, a cross before one that is not there,
    and a ring before one that is there and was not predicted.
    """
    rows = -(-len(samples) // columns)
    cell_height = CELL_PX + LINES * LINE_PX + MARGIN_PX
    width = columns * (CELL_PX + MARGIN_PX) + MARGIN_PX
    sheet = Image.new("RGB", (width, rows * cell_height + 3 * MARGIN_PX + LINE_PX), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    _legend(draw, font)
    for index, sample in enumerate(samples):
        left = MARGIN_PX + index % columns * (CELL_PX + MARGIN_PX)
        top = 2 * MARGIN_PX + LINE_PX + index // columns * cell_height
        picture = open_image(sample.picture)
        size, below = (CELL_PX, CELL_PX), (0.5, 1.0)  # at the bottom, where the words are
        whole = ImageOps.pad(picture, size, Image.Resampling.LANCZOS, color=PAPER, centering=below)
        sheet.paste(whole, (left, top))
        for line, (text, color) in enumerate(_captions(sample)[:LINES]):
            _write(draw, (left + 2, top + CELL_PX + 2 + line * LINE_PX), text, color, font)
    with atomic_write(out) as temporary:
        sheet.save(temporary, format="PNG")


def _legend(draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> None:
    left = float(MARGIN_PX)
    words = [
        ("held-out pictures, with the classifier's scores:", INK),
        ("predicted and there", RIGHT),
        ("predicted, not there", WRONG),
        ("there, not predicted", MISSED),
    ]
    for text, color in words:
        left = _write(draw, (left, MARGIN_PX), text, color, font) + 16


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    color: Color,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> float:
    """Text with the mark of its color before it; returns where it ends."""
    left, top = place
    if color != INK:
        edges = (left, top + 4, left + MARK_PX - 1, top + 3 + MARK_PX)
        if color == RIGHT:
            draw.ellipse(edges, fill=color)
        elif color == MISSED:
            draw.ellipse(edges, outline=color, width=2)
        else:
            a, b, c, d = edges
            draw.line((a, b, c, d), fill=color, width=2)
            draw.line((a, d, c, b), fill=color, width=2)
        left += MARK_PX + 5
    draw.text((left, top), text, fill=color, font=font)
    return left + draw.textlength(text, font=font)


def _captions(sample: Sample) -> list[tuple[str, Color]]:
    ranked = sorted(sample.predicted.items(), key=lambda item: -item[1])
    lines = [
        (f"{name} {score:.2f}", RIGHT if name in sample.truth else WRONG) for name, score in ranked
    ]
    missed = sorted(sample.truth - set(sample.predicted))
    lines += [(name, MISSED) for name in missed]
    return lines or [("nothing, and nothing is there", RIGHT)]

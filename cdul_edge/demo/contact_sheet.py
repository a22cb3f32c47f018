"""One picture of many: held-out scenes with what the classifier says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from cdul_edge_runtime.host.files import atomic_write
from cdul_edge_runtime.pictures.images import open_image

CELL_PX = 200
LINE_PX = 17
MARGIN_PX = 10
LINES = 5
RIGHT, WRONG, MISSED, INK = (20, 120, 50), (190, 30, 30), (120, 120, 120), (30, 30, 30)


@dataclass(frozen=True)
class Sample:
    """A picture, the scores of the predicted classes, and the names that are really there."""

    picture: Path
    predicted: dict[str, float]
    truth: frozenset[str]


def draw_contact_sheet(samples: Sequence[Sample], out: Path, *, columns: int = 5) -> None:
    """Write a PNG: under each picture its predictions, right ones green, wrong ones red.

    A class that is there and was not predicted stands in gray with a minus.
    """
    rows = -(-len(samples) // columns)
    cell_height = CELL_PX + LINES * LINE_PX + MARGIN_PX
    width = columns * (CELL_PX + MARGIN_PX) + MARGIN_PX
    sheet = Image.new("RGB", (width, rows * cell_height + 3 * MARGIN_PX + LINE_PX), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    _legend(draw, font)
    for index, sample in enumerate(samples):
        left = MARGIN_PX + index % columns * (CELL_PX + MARGIN_PX)
        top = 2 * MARGIN_PX + LINE_PX + index // columns * cell_height
        picture = open_image(sample.picture).resize((CELL_PX, CELL_PX), Image.Resampling.LANCZOS)
        sheet.paste(picture, (left, top))
        for line, (text, color) in enumerate(_captions(sample)[:LINES]):
            place = (left + 2, top + CELL_PX + 2 + line * LINE_PX)
            draw.text(place, text, fill=color, font=font)
    with atomic_write(out) as temporary:
        sheet.save(temporary, format="PNG")


def _legend(draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> None:
    left = float(MARGIN_PX)
    words = [
        ("held-out pictures, with the classifier's scores:", INK),
        ("predicted and there", RIGHT),
        ("predicted, not there", WRONG),
        ("- there, not predicted", MISSED),
    ]
    for text, color in words:
        draw.text((left, MARGIN_PX), text, fill=color, font=font)
        left += draw.textlength(text, font=font) + 16


def _captions(sample: Sample) -> list[tuple[str, tuple[int, int, int]]]:
    ranked = sorted(sample.predicted.items(), key=lambda item: -item[1])
    lines = [
        (f"{name} {score:.2f}", RIGHT if name in sample.truth else WRONG) for name, score in ranked
    ]
    missed = sorted(sample.truth - set(sample.predicted))
    lines += [(f"- {name}", MISSED) for name in missed]
    return lines or [("nothing, and nothing is there", RIGHT)]

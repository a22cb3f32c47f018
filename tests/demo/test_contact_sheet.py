from pathlib import Path

from PIL import Image

from cdul_edge.demo.contact_sheet import (
    CELL_PX,
    MISSED,
    PAPER,
    RIGHT,
    WRONG,
    Sample,
    draw_contact_sheet,
)


def colors_below(sheet: Image.Image, column: int) -> set[tuple[int, ...]]:
    """Full-strength text colors under the picture in `column` of a one-row sheet."""
    left = 10 + column * (CELL_PX + 10)
    top = 37 + CELL_PX
    strip = sheet.crop((left, top, left + CELL_PX, sheet.height))
    found = {color for _, color in strip.getcolors(maxcolors=100_000) or []}
    return {c for c in found if c in {RIGHT, WRONG, MISSED}}


def test_right_wrong_and_missed_classes_have_their_colors(tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    Image.new("RGB", (20, 10), (0, 0, 255)).save(picture)  # lies in the lower half of its square
    samples = [
        Sample(picture, {"car": 0.9}, frozenset({"car"})),
        Sample(picture, {"car": 0.9}, frozenset({"key"})),
        Sample(picture, {}, frozenset()),
    ]
    draw_contact_sheet(samples, tmp_path / "sheet.png", columns=3)
    with Image.open(tmp_path / "sheet.png") as opened:
        sheet = opened.convert("RGB")
    assert sheet.getpixel((10 + CELL_PX // 2, 37 + CELL_PX * 3 // 4)) == (0, 0, 255)
    assert sheet.getpixel((10 + CELL_PX // 2, 37 + CELL_PX // 4)) == PAPER
    assert colors_below(sheet, 0) == {RIGHT}
    assert colors_below(sheet, 1) == {WRONG, MISSED}
    assert colors_below(sheet, 2) == {RIGHT}  # nothing said, and nothing there


def test_each_kind_has_a_mark_of_its_own_beside_its_color(tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    Image.new("RGB", (20, 20)).save(picture)
    samples = [
        Sample(picture, {"car": 0.9}, frozenset({"car"})),
        Sample(picture, {"car": 0.9}, frozenset()),
        Sample(picture, {}, frozenset({"car"})),
    ]
    draw_contact_sheet(samples, tmp_path / "sheet.png", columns=3)
    with Image.open(tmp_path / "sheet.png") as opened:
        gray = opened.convert("L").point(lambda value: 255 * (value > 200))
    marks = []
    for column in range(3):
        left, top = 12 + column * (CELL_PX + 10), 37 + CELL_PX + 2
        marks.append(gray.crop((left, top, left + 10, top + 17)).tobytes())
    assert len(set(marks)) == 3  # without any color

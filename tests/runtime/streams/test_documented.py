"""The programs that the documents show, on a video that shows red and then green."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fakes.video_files import plain, write_video

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("README.md", {"door red", "door green"}),
        (
            "docs/streams.md",
            {"door connected", "door red Appeared", "door red Gone", "yard green Appeared"},
        ),
    ],
)
def test_the_program_shown_says_what_a_video_shows(
    bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    document: str,
    expected: set[str],
) -> None:
    monkeypatch.chdir(bundle.parent)
    write_video(Path("yard.mp4"), [plain(255, 0, 0)] * 10 + [plain(0, 255, 0)] * 10, fps=10)
    blocks = BLOCK.findall((ROOT / document).read_text(encoding="utf-8"))
    (program,) = [block for block in blocks if "rtsp://camera/stream" in block]
    exec(program.replace("rtsp://camera/stream", "yard.mp4"), {})
    assert expected <= {line.strip() for line in capsys.readouterr().out.splitlines()}

"""The Python lines of the README go from a folder to a verified classifier."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the README labels and trains")

from cdul_edge.demo.world import paint_world

ROOT = Path(__file__).parents[2]
# The drawn world in place of photographs, its tiny CLIP, and one epoch of a small network.
SMALLER = {
    'images="photos").verdict': 'images="world/train", repeats=5, batches=(1,)).verdict',
    'images="photos"': 'images="world/train"',
    'classes="classes.txt"': 'classes="world/classes.txt"',
    'clip="RN50", pretrained="openai"': 'clip="demo"',
    'train(labels="labels", out="run")': 'train(labels="labels", out="run", config=SMALL)',
    '"photo.jpg"': '"world/heldout/00000.jpg"',
}


def readme_lines() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"^## In Python\n\n```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.mark.filterwarnings("ignore::cdul_edge_runtime.errors.CdulEdgeWarning")  # few pictures
def test_eight_lines_lead_from_a_folder_to_a_verified_classifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cdul_edge.training.presets import make_config

    code = readme_lines()
    assert len([line for line in code.splitlines() if line.strip()]) <= 9  # with the import
    for shown, smaller in SMALLER.items():
        assert shown in code
        code = code.replace(shown, smaller)
    paint_world(tmp_path / "world", train=64, heldout=1, seed=0)
    monkeypatch.chdir(tmp_path)
    small = make_config("demo", epochs=1, height_px=32, width_px=32, precision="fp32")
    exec(compile(code, "README.md", "exec"), {"SMALL": small})
    verdict, labels = capsys.readouterr().out.splitlines()
    assert verdict in ("ok", "unsure")
    assert re.fullmatch(r"\[.*\]", labels)
    assert (tmp_path / "bundle" / "model.int8-cpu.onnx").is_file()

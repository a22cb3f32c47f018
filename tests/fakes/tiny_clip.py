"""A CLIP of random weights that loads in no time: a folder with open_clip's configuration alone."""

from __future__ import annotations

import json
from pathlib import Path


def write_tiny_clip(folder: Path, *, width: int = 8) -> Path:
    """A ResNet with one block a stage; load it with pretrained "none"."""
    tower = {"image_size": 32, "layers": [1, 1, 1, 1], "width": width, "patch_size": None}
    text = {"context_length": 20, "vocab_size": 49408, "width": 8, "heads": 1, "layers": 1}
    folder.mkdir()
    config = {"embed_dim": 16, "vision_cfg": tower, "text_cfg": text}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder

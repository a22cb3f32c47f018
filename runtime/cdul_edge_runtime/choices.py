"""Choices that commands offer and the library takes, each declared once; imports nothing."""

from __future__ import annotations

from typing import Literal

# How a picture, or a view of one, becomes a network's input; see `Preprocess`.
Resize = Literal["squash", "center", "letterbox"]
# What the objects that VOC marks as difficult count as.
Difficult = Literal["negative", "ignore", "positive"]
# How precision is averaged over recall; see `average_precision`.
ApConvention = Literal["area", "voc2010", "voc2007"]

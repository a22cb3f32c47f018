"""The ways to turn similarities into scores, by name; imports nothing, for the command line."""

from __future__ import annotations

from typing import Literal

# How a picture's snippets, or its patches, become its scores.
Strategy = Literal["evidence", "cdul", "max", "average", "cosine-mean", "global", "patches"]
# How the whole picture joins its snippets.
Fusion = Literal["half", "pooled"]
# How a set's own biases are taken out of its cosines ("center", "sparc") or scores.
Debias = Literal["none", "center", "sparc", "ccd", "ridge"]

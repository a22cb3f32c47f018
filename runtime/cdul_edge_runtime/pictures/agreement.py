"""What resizers are held to: apart from them, so that reading a manifest imports none."""

from __future__ import annotations

PILLOW = "Pillow"  # what resized pictures before this was recorded, of an unknown version
NEAR = 1  # what the self-check allows, in levels of 255

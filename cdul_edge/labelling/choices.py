"""What makes the parts of a store; nothing is imported for the choice."""

from __future__ import annotations

from typing import Literal

EngineName = Literal["local", "ray"]

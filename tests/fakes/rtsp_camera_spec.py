"""What a loopback camera is asked for, and how its clock is drawn; the standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

CLOCK_BITS, NUMBER_BITS, MOST_BLOCK_PX = 44, 20, 8


def block_px(width: int) -> int:
    """Side of the square that is one bit of the clock."""
    return min(MOST_BLOCK_PX, width // (CLOCK_BITS + NUMBER_BITS))


@dataclass(frozen=True)
class SceneSpec:
    """What a path shows: the frames of a file of raw RGB, or a video that is scaled to the size."""

    file: str
    is_video: bool
    width: int
    height: int


@dataclass(frozen=True)
class CameraSpec:
    """What a camera is; the port 0 is any free one."""

    scenes: dict[str, SceneSpec]
    port: int
    udp_port: int
    fps: int
    clock: bool
    login: tuple[str, str] | None
    keyframe_s: float
    kbit_s: int


def to_json(spec: CameraSpec) -> str:
    return json.dumps(asdict(spec))


def from_json(text: str) -> CameraSpec:
    values = json.loads(text)
    scenes = {path: SceneSpec(**scene) for path, scene in values.pop("scenes").items()}
    return CameraSpec(scenes=scenes, **values)

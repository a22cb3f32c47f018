"""The command line's options for how pictures change before the network sees them."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from cdul_edge.training.options import setting

_setting = partial(setting, "Augmentation")
Flip = Annotated[
    bool | None,
    _setting(
        "flip",
        "Mirror half of the pictures. Turn it off where left and right matter.",
        "--flip/--no-flip",
    ),
]
Shift = Annotated[
    float | None,
    _setting(
        "shift", "Move every picture at random by up to this fraction of its side, 0 to 0.25."
    ),
]
Color = Annotated[
    float | None,
    _setting(
        "color",
        "Change brightness, contrast and saturation at random, with this strength from 0 to 1.",
    ),
]
ShuffleColors = Annotated[
    float | None,
    _setting(
        "shuffle_colors",
        "Probability of swapping a picture's color channels. Use it where colors do not matter.",
    ),
]
ZoomIn = Annotated[
    float | None,
    _setting(
        "zoom_in",
        "Cut a part out of every picture at random that keeps at least 1 minus this of its area, "
        "0 to 0.75. Small objects at the edge can get lost.",
    ),
]
ZoomOut = Annotated[
    float | None,
    _setting(
        "zoom_out",
        "Show pictures smaller at random, on at least 1 minus this of the input's area, 0 to 0.75; "
        "their reflection fills the rest.",
    ),
]
Mixup = Annotated[
    float | None,
    _setting(
        "mixup",
        "Blend pairs of pictures and of their labels, with shares drawn from Beta(x, x) for this "
        "x, 0 to 1. Only some methods can.",
    ),
]

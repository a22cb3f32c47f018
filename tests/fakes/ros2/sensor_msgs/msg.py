from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from std_msgs.msg import Header


def _no_bytes() -> array[int]:
    return array("B")


@dataclass(kw_only=True)
class Image:
    header: Header = field(default_factory=Header)
    height: int = 0
    width: int = 0
    encoding: str = ""
    is_bigendian: int = 0
    step: int = 0
    data: array[int] = field(default_factory=_no_bytes)


@dataclass(kw_only=True)
class CompressedImage:
    header: Header = field(default_factory=Header)
    format: str = ""
    data: array[int] = field(default_factory=_no_bytes)

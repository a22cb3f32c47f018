from __future__ import annotations

from dataclasses import dataclass, field

from builtin_interfaces.msg import Time


@dataclass(kw_only=True)
class Header:
    stamp: Time = field(default_factory=Time)
    frame_id: str = ""

    def __post_init__(self) -> None:
        assert isinstance(self.stamp, Time)
        assert isinstance(self.frame_id, str)


@dataclass(kw_only=True)
class String:
    data: str = ""

    def __post_init__(self) -> None:
        assert isinstance(self.data, str)

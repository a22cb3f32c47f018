"""As rosidl generates them: fields by keyword only, of the right type, with defaults."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(kw_only=True)
class Time:
    sec: int = 0
    nanosec: int = 0

    def __post_init__(self) -> None:
        assert -(2**31) <= self.sec < 2**31
        assert 0 <= self.nanosec < 2**32

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from std_msgs.msg import Header


@dataclass(kw_only=True)
class ObjectHypothesis:
    class_id: str = ""
    score: float = 0.0

    def __post_init__(self) -> None:
        assert isinstance(self.class_id, str)
        assert type(self.score) is float  # a NumPy scalar is none of rosidl's


@dataclass(kw_only=True)
class Classification:
    header: Header = field(default_factory=Header)
    results: Sequence[ObjectHypothesis] = ()

    def __post_init__(self) -> None:
        assert isinstance(self.header, Header)
        assert all(isinstance(result, ObjectHypothesis) for result in self.results)


@dataclass(kw_only=True)
class VisionClass:
    class_id: int = 0
    class_name: str = ""

    def __post_init__(self) -> None:
        assert 0 <= self.class_id < 65536
        assert isinstance(self.class_name, str)


@dataclass(kw_only=True)
class LabelInfo:
    header: Header = field(default_factory=Header)
    class_map: Sequence[VisionClass] = ()
    threshold: float = 0.0

    def __post_init__(self) -> None:
        assert isinstance(self.header, Header)
        assert all(isinstance(one, VisionClass) for one in self.class_map)
        assert type(self.threshold) is float

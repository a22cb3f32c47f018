from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rclpy.qos import QoSProfile


@dataclass(eq=False)
class Subscription:
    topic: str
    qos: QoSProfile
    callback: Callable[..., None]

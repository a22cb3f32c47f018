"""What the node in examples/ros2 uses of rclpy, by rclpy's own names and rules.

mypy checks the node against it, and tests run the node on it; what is not here, the node may not
use. One context, and nothing spins but what a test delivers.
"""

from __future__ import annotations

from collections.abc import Callable

from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

_up = False
while_spinning: list[Callable[[Node], None]] = []  # what a test does in the place of ROS


def init() -> None:
    global _up
    assert not _up, "rclpy.init() called twice"
    _up = True


def ok() -> bool:
    return _up


def spin(node: Node) -> None:
    assert _up
    for act in while_spinning:
        act(node)
    try_shutdown()  # as a signal does
    raise ExternalShutdownException


def try_shutdown() -> None:
    global _up
    _up = False

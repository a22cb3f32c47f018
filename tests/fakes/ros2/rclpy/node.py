from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import ClassVar, TypeVar

from builtin_interfaces.msg import Time
from rcl_interfaces.msg import ParameterDescriptor

from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

MessageT = TypeVar("MessageT")
Value = bool | int | float | str


@dataclass(frozen=True)
class Parameter:
    value: Value


class Logger:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.said: SimpleQueue[tuple[str, str]] = SimpleQueue()  # the same, to wait for

    def _log(self, severity: str, text: str) -> None:
        self.lines.append((severity, text))
        self.said.put((severity, text))

    def info(self, text: str) -> None:
        self._log("info", text)

    def warning(self, text: str, *, throttle_duration_sec: float) -> None:
        assert throttle_duration_sec > 0
        self._log("warning", text)

    def error(self, text: str) -> None:
        self._log("error", text)

    def fatal(self, text: str) -> None:
        self._log("fatal", text)


class Moment:
    def to_msg(self) -> Time:
        return Time(sec=1_600_000_000)


class Clock:
    def now(self) -> Moment:
        return Moment()


class Node:
    overrides: ClassVar[dict[str, Value]] = {}  # as of --ros-args -p

    def __init__(self, node_name: str) -> None:
        self.name = node_name
        self.subscriptions: list[Subscription] = []
        self._parameters: dict[str, Value] = {}
        self._logger = Logger()

    def declare_parameter(
        self, name: str, value: Value, descriptor: ParameterDescriptor
    ) -> Parameter:
        assert name not in self._parameters, "declared twice"
        assert descriptor.description
        given = self.overrides.get(name, value)
        assert type(given) is type(value), "parameters are statically typed"
        self._parameters[name] = given
        return Parameter(given)

    def get_parameter(self, name: str) -> Parameter:
        return Parameter(self._parameters[name])

    def create_subscription(
        self,
        msg_type: type[MessageT],
        topic: str,
        callback: Callable[[MessageT], None],
        qos_profile: QoSProfile,
    ) -> Subscription:
        self.subscriptions.append(Subscription(self.resolve(topic), qos_profile, callback))
        return self.subscriptions[-1]

    def destroy_subscription(self, subscription: Subscription) -> bool:
        self.subscriptions.remove(subscription)
        return True

    def resolve(self, topic: str) -> str:
        return f"/{self.name}{topic[1:]}" if topic.startswith("~") else f"/{topic}"

    def get_clock(self) -> Clock:
        return Clock()

    def get_logger(self) -> Logger:
        return self._logger

    def destroy_node(self) -> None:
        assert not self.subscriptions

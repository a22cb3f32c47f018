from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple

import rclpy
from rclpy.node import MessageT, Node
from rclpy.qos import QoSProfile


class TransitionCallbackReturn(Enum):
    SUCCESS = 0
    FAILURE = 1
    ERROR = 2


class LifecycleState(NamedTuple):
    label: str
    state_id: int


class LifecyclePublisher(Generic[MessageT]):
    """Publishes while its node is active; what it published waits for the test."""

    def __init__(self, msg_type: type[MessageT], topic: str, qos: QoSProfile) -> None:
        self.msg_type = msg_type
        self.topic = topic
        self.qos = qos
        self.enabled = False
        self.published: SimpleQueue[MessageT] = SimpleQueue()

    def publish(self, msg: object) -> None:
        if not rclpy.ok():
            raise RuntimeError("Failed to publish: publisher's context is invalid")
        assert isinstance(msg, self.msg_type)
        if self.enabled:
            self.published.put(msg)


class LifecycleNode(Node):
    def __init__(self, node_name: str) -> None:
        super().__init__(node_name)
        self.state = LifecycleState("unconfigured", 1)
        self.publishers: dict[str, LifecyclePublisher[Any]] = {}

    def create_lifecycle_publisher(
        self, msg_type: type[MessageT], topic: str, qos_profile: QoSProfile | int
    ) -> LifecyclePublisher[MessageT]:
        qos = qos_profile if isinstance(qos_profile, QoSProfile) else QoSProfile(depth=qos_profile)
        made = LifecyclePublisher(msg_type, self.resolve(topic), qos)
        self.publishers[made.topic] = made
        return made

    def destroy_lifecycle_publisher(self, publisher: LifecyclePublisher[Any]) -> bool:
        del self.publishers[publisher.topic]
        return True

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        for publisher in self.publishers.values():
            publisher.enabled = True
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        for publisher in self.publishers.values():
            publisher.enabled = False
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return TransitionCallbackReturn.SUCCESS

    def trigger_configure(self) -> TransitionCallbackReturn:
        return self._change("unconfigured", self.on_configure, LifecycleState("inactive", 2))

    def trigger_activate(self) -> TransitionCallbackReturn:
        return self._change("inactive", self.on_activate, LifecycleState("active", 3))

    def trigger_deactivate(self) -> TransitionCallbackReturn:
        return self._change("active", self.on_deactivate, LifecycleState("inactive", 2))

    def trigger_cleanup(self) -> TransitionCallbackReturn:
        return self._change("inactive", self.on_cleanup, LifecycleState("unconfigured", 1))

    def _change(
        self,
        begin: str,
        callback: Callable[[LifecycleState], TransitionCallbackReturn],
        goal: LifecycleState,
    ) -> TransitionCallbackReturn:
        assert self.state.label == begin, f"no such transition from {self.state.label}"
        result = callback(self.state)  # rclpy would hide what it raises
        if result == TransitionCallbackReturn.SUCCESS:
            self.state = goal
        return result

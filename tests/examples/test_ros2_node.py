"""The node of examples/ros2 on a strict stand-in of rclpy; ROS itself cannot be installed here."""

from __future__ import annotations

import importlib
import json
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.fakes.stream_source import PATIENCE_S

STAND_IN = Path(__file__).parents[1] / "fakes/ros2"
PACKAGE = Path(__file__).parents[2] / "examples/ros2/cdul_edge_ros2"
ROS = ("rclpy", "rcl_interfaces", "sensor_msgs", "std_msgs", "vision_msgs", "builtin_interfaces")


def forget() -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] in ROS or name == "cdul_edge_ros2.node":
            del sys.modules[name]


@pytest.fixture
def node_module(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(STAND_IN)
    forget()
    yield importlib.import_module("cdul_edge_ros2.node")
    forget()


@pytest.fixture
def make_node(node_module: ModuleType) -> Iterator[Any]:
    """A node of some parameters, in a context that is up."""
    import rclpy
    from rclpy.node import Node

    rclpy.init()
    made = []

    def make(**parameters: bool | int | float | str) -> Any:
        Node.overrides = parameters
        made.append(node_module.ClassifierNode())
        return made[-1]

    yield make
    for node in made:
        node.release()
    rclpy.try_shutdown()


def red_image(seconds: int, size: int = 2, encoding: str = "bgr8") -> Any:
    from builtin_interfaces.msg import Time
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header

    header = Header(stamp=Time(sec=seconds, nanosec=500_000_000), frame_id="camera_optical_frame")
    data = array("B", [0, 0, 255] * 4)
    return Image(
        header=header, height=size, width=size, encoding=encoding, step=3 * size, data=data
    )


def test_an_image_becomes_named_labels_with_the_cameras_header(
    make_node: Any, bundle: Path
) -> None:
    from rclpy.lifecycle import TransitionCallbackReturn
    from rclpy.qos import DurabilityPolicy, HistoryPolicy, ReliabilityPolicy

    node = make_node(bundle=str(bundle), appear=0.0, precision="fp32", timeout=60.0)
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    out = node.publishers

    info = out["/classifier/label_info"].published.get(timeout=PATIENCE_S)
    assert [(one.class_id, one.class_name) for one in info.class_map] == [
        (0, "red"),
        (1, "green"),
        (2, "blue"),
    ]
    assert info.threshold == 0.5
    assert out["/classifier/label_info"].qos.durability == DurabilityPolicy.TRANSIENT_LOCAL

    (subscription,) = node.subscriptions
    assert (subscription.topic, subscription.qos.depth) == ("/image", 1)
    assert subscription.qos.history == HistoryPolicy.KEEP_LAST
    assert subscription.qos.reliability == ReliabilityPolicy.BEST_EFFORT

    image = red_image(1_700_000_000)
    subscription.callback(image)
    seen = out["/classifier/classification"].published.get(timeout=PATIENCE_S)
    assert seen.header is image.header
    assert [(one.class_id, round(one.score, 3)) for one in seen.results] == [("red", 0.982)]
    appeared = json.loads(out["/classifier/events"].published.get(timeout=PATIENCE_S).data)
    assert (appeared["type"], appeared["label"]) == ("appeared", "red")
    assert appeared["time"] == "2023-11-14T22:13:20.500Z"

    events = out["/classifier/events"].published
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    gone = json.loads(events.get(timeout=PATIENCE_S).data)
    assert (gone["type"], gone["id"], gone["reason"]) == ("gone", appeared["id"], "stopped")
    assert node.subscriptions == []
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS  # and once more
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    assert node.publishers == {}
    assert [line for line in node.get_logger().lines if line[0] != "info"] == []


def test_a_damaged_image_is_a_warning_and_the_next_one_is_answered(
    make_node: Any, bundle: Path
) -> None:
    node = make_node(bundle=str(bundle), smooth=False, all_scores=True, timeout=60.0)
    node.trigger_configure()
    node.trigger_activate()
    (subscription,) = node.subscriptions
    classifications = node.publishers["/classifier/classification"].published
    subscription.callback(red_image(1))
    classifications.get(timeout=PATIENCE_S)
    subscription.callback(red_image(2, size=5))  # five rows are claimed, two are there
    while (said := node.get_logger().said.get(timeout=PATIENCE_S))[0] != "warning":
        pass
    assert said[1] == "an image was left out: a bgr8 image: holds 12 bytes, and 75 are expected"
    subscription.callback(red_image(3))
    seen = classifications.get(timeout=PATIENCE_S)
    assert seen.header.stamp.sec == 3
    assert [one.class_id for one in seen.results] == ["red", "green", "blue"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "the parameter bundle is empty: give its folder"),
        ({"bundle": "/nowhere"}, "/nowhere"),
        ({"bundle": "{bundle}", "leave": -1.0}, "smoothing: enter is 0.0 and leave is -1.0"),
    ],
)
def test_a_bad_parameter_is_one_line_and_the_node_stays_unconfigured(
    make_node: Any, bundle: Path, parameters: dict[str, str | float], message: str
) -> None:
    from rclpy.lifecycle import TransitionCallbackReturn

    given = {
        name: value.format(bundle=bundle) if isinstance(value, str) else value
        for name, value in parameters.items()
    }
    node = make_node(**given)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    ((severity, text),) = node.get_logger().lines
    assert severity == "error"
    assert message in text
    assert node.publishers == {}


def test_ctrl_c_ends_the_program_without_a_word(node_module: ModuleType, bundle: Path) -> None:
    import rclpy
    from rclpy.node import Node

    logged: list[tuple[str, str]] = []

    def act(node: Node) -> None:
        (subscription,) = node.subscriptions
        subscription.callback(red_image(1))
        logged.extend(node.get_logger().lines)

    Node.overrides = {"bundle": str(bundle), "appear": 0.0}
    rclpy.while_spinning = [act]
    node_module.main()
    assert not rclpy.ok()
    assert {severity for severity, _ in logged} == {"info"}


def test_the_parameter_file_names_every_parameter_but_those_of_the_launch_file() -> None:
    from cdul_edge_ros2.settings import PARAMETERS

    text = (PACKAGE / "config/classifier.yaml").read_text()
    given = yaml.safe_load(text)["/**"]["ros__parameters"]
    assert {*given, "bundle", "compressed"} == set(PARAMETERS)
    for name, value in given.items():
        assert (type(value), value) == (type(PARAMETERS[name][0]), PARAMETERS[name][0])

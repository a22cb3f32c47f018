"""Messages of examples/ros2 by rosbags' types and by those of a DDS library: the same bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rosbags")

from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from cdul_edge_ros2.messages import MessageTypes, build_classification, build_label_info
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.stream_rows import CLASSES, seen_row

# Fields of vision_msgs 4 (ROS 2), without its comments.
VISION_MSGS = {
    "ObjectHypothesis": "string class_id\nfloat64 score",
    "Classification": "std_msgs/Header header\nvision_msgs/ObjectHypothesis[] results",
    "VisionClass": "uint16 class_id\nstring class_name",
    "LabelInfo": "std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold",
}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def store() -> Any:
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in VISION_MSGS.items():
        store.register(get_types_from_msg(text, f"vision_msgs/msg/{name}"))
    return store


def types_of(store: Any) -> MessageTypes:
    return MessageTypes(
        *(
            store.types[f"vision_msgs/msg/{name}"]
            for name in ("Classification", "ObjectHypothesis", "LabelInfo", "VisionClass")
        )
    )


def header_of(store: Any) -> Any:
    stamp = store.types["builtin_interfaces/msg/Time"](sec=1_600_000_000, nanosec=250_000_000)
    return store.types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera_optical_frame")


def test_labels_come_by_name_the_highest_first_with_the_images_header(store: Any) -> None:
    header = header_of(store)
    message: Any = build_classification(types_of(store), header, seen_row())
    cdr = store.serialize_cdr(message, message.__msgtype__)
    read = store.deserialize_cdr(cdr, "vision_msgs/msg/Classification")
    assert [(one.class_id, one.score) for one in read.results] == [("dog", 0.875), ("bicycle", 0.5)]
    assert read.header == header


def test_every_score_may_be_asked_for(store: Any) -> None:
    message: Any = build_classification(
        types_of(store), header_of(store), seen_row(), all_scores=True
    )
    assert [one.class_id for one in message.results] == ["dog", "bicycle", "cat"]


def test_label_info_names_every_class_and_the_lowest_threshold(store: Any) -> None:
    thresholds = np.array([0.5, np.inf, 0.25], np.float32)
    message: Any = build_label_info(types_of(store), header_of(store), CLASSES, thresholds)
    cdr = store.serialize_cdr(message, message.__msgtype__)
    read = store.deserialize_cdr(cdr, "vision_msgs/msg/LabelInfo")
    assert [(one.class_id, one.class_name) for one in read.class_map] == [
        (0, "bicycle"),
        (1, "cat"),
        (2, "dog"),
    ]
    assert read.threshold == 0.25


def test_more_classes_than_the_message_can_number_are_refused(store: Any) -> None:
    many = ClassList(tuple(str(number) for number in range(65_536)))
    with pytest.raises(CdulEdgeError, match="65536 classes, and vision_msgs/LabelInfo holds at mo"):
        build_label_info(types_of(store), None, many, np.ones(65_536, np.float32))


def test_rosbags_and_dds_write_the_same_bytes(store: Any) -> None:
    pytest.importorskip("cyclonedds")
    from tests.fakes import dds_peer

    row, thresholds = seen_row(), np.full(3, 0.5, np.float32)
    rosbags: list[Any] = [
        build_classification(types_of(store), header_of(store), row),
        build_label_info(types_of(store), header_of(store), CLASSES, thresholds),
    ]
    dds: list[Any] = [
        build_classification(dds_peer.TYPES, dds_peer.HEADER, row),
        build_label_info(dds_peer.TYPES, dds_peer.HEADER, CLASSES, thresholds),
    ]
    for ours, theirs in zip(rosbags, dds, strict=True):
        assert bytes(store.serialize_cdr(ours, ours.__msgtype__)) == theirs.serialize()


def test_a_second_process_receives_it_over_dds() -> None:
    pytest.importorskip("cyclonedds")
    command = [sys.executable, "-m", "tests.fakes.dds_peer"]
    path = [str(ROOT), str(ROOT / "runtime"), str(ROOT / "examples/ros2/cdul_edge_ros2")]
    environment = {"PYTHONPATH": ":".join(path), "PATH": "", "HOME": ""}
    with subprocess.Popen(
        [*command, "send"], stdin=subprocess.PIPE, cwd=ROOT, env=environment
    ) as sender:
        received = subprocess.run(
            [*command, "receive"], capture_output=True, text=True, cwd=ROOT, env=environment
        )
        assert sender.stdin is not None
        sender.stdin.close()
    assert received.stdout.splitlines() == [
        "1600000000 250000000 camera_optical_frame",
        "dog=0.875 bicycle=0.500",
    ], received.stderr

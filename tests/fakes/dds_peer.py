"""A process on a DDS domain of loopback: `python -m tests.fakes.dds_peer send|receive`.

Names and types are mangled as ROS 2 does it: topic "rt/NAME", type "pkg::msg::dds_::Name_".
"""

import os
import sys
from typing import Any

os.environ["CYCLONEDDS_URI"] = (
    "<CycloneDDS><Domain id='any'><General><Interfaces><NetworkInterface address='127.0.0.1'/>"
    "</Interfaces><AllowMulticast>false</AllowMulticast></General><Discovery>"
    "<ParticipantIndex>auto</ParticipantIndex><Peers><Peer address='127.0.0.1'/></Peers>"
    "</Discovery></Domain></CycloneDDS>"
)

from cyclonedds.core import Policy, Qos
from cyclonedds.domain import DomainParticipant
from cyclonedds.idl import make_idl_struct
from cyclonedds.idl.types import float32, float64, int32, sequence, uint16, uint32
from cyclonedds.pub import DataWriter
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration

from cdul_edge_ros2.messages import MessageTypes, build_classification
from tests.fakes.stream_rows import seen_row


def ros_struct(package: str, name: str, **fields: object) -> Any:
    return make_idl_struct(name, f"{package}::msg::dds_::{name}_", fields)


Time = ros_struct("builtin_interfaces", "Time", sec=int32, nanosec=uint32)
Header = ros_struct("std_msgs", "Header", stamp=Time, frame_id=str)
ObjectHypothesis = ros_struct("vision_msgs", "ObjectHypothesis", class_id=str, score=float64)
Classification = ros_struct(
    "vision_msgs", "Classification", header=Header, results=sequence[ObjectHypothesis]
)
VisionClass = ros_struct("vision_msgs", "VisionClass", class_id=uint16, class_name=str)
LabelInfo = ros_struct(
    "vision_msgs", "LabelInfo", header=Header, class_map=sequence[VisionClass], threshold=float32
)
TYPES = MessageTypes(Classification, ObjectHypothesis, LabelInfo, VisionClass)
HEADER = Header(Time(1_600_000_000, 250_000_000), "camera_optical_frame")
# Reliable and latched, so that nobody has to wait for the other.
QOS = Qos(
    Policy.Reliability.Reliable(duration(seconds=10)),
    Policy.Durability.TransientLocal,
    Policy.History.KeepLast(1),
)
DOMAIN = 87


def main(role: str) -> None:
    topic = Topic(DomainParticipant(DOMAIN), "rt/classifier/classification", Classification)
    if role == "send":
        writer = DataWriter(topic.participant, topic, qos=QOS)
        writer.write(build_classification(TYPES, HEADER, seen_row()))
        sys.stdin.read()  # until the test has seen enough
        return
    reader = DataReader(topic.participant, topic, qos=QOS)
    for message in reader.take_iter(timeout=duration(seconds=30)):
        print(message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id)
        print(*(f"{one.class_id}={one.score:.3f}" for one in message.results))
        return


if __name__ == "__main__":
    main(sys.argv[1])

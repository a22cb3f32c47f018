"""vision_msgs of what a classifier saw; ROS need not be installed.

The classes of messages are arguments: rclpy's, rosbags', and those of a DDS library take the same
names, so that what is tested with one is true of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.rows import FramePrediction, Scores

MessageClass = Callable[..., object]
_MOST_CLASSES = 65_535  # VisionClass.class_id is a uint16, whose last value means "unlabeled"


@dataclass(frozen=True)
class MessageTypes:
    """Classes of vision_msgs, which are made with their fields as keywords."""

    classification: MessageClass
    object_hypothesis: MessageClass
    label_info: MessageClass
    vision_class: MessageClass


def build_classification(
    types: MessageTypes, header: object, row: FramePrediction, *, all_scores: bool = False
) -> object:
    """A vision_msgs/Classification: names and smoothed scores, the highest first.

    Args:
        types: of the messages.
        header: of the image; it is passed on, so that stamp and frame are the camera's.
        row: what was seen.
        all_scores: every class, and not only the labels that are there.
    """
    by_name = dict(zip(row.classes.names, row.scores.tolist(), strict=True))
    names: Sequence[str] = row.labels
    if all_scores:
        names = sorted(by_name, key=by_name.__getitem__, reverse=True)
    hypotheses = [types.object_hypothesis(class_id=name, score=by_name[name]) for name in names]
    return types.classification(header=header, results=hypotheses)


def build_label_info(
    types: MessageTypes, header: object, classes: ClassList, thresholds: Scores
) -> object:
    """A vision_msgs/LabelInfo: every name that a Classification may hold.

    Args:
        types: of the messages.
        header: of the message.
        classes: names of the columns.
        thresholds: (C,); the message has room for one, which is the lowest. Each class has its own.

    Raises:
        CdulEdgeError: more classes than the message can number.
    """
    if len(classes) > _MOST_CLASSES:
        raise CdulEdgeError(
            f"the bundle has {len(classes)} classes, and vision_msgs/LabelInfo holds at most "
            f"{_MOST_CLASSES}"
        )
    class_map = [
        types.vision_class(class_id=number, class_name=name) for number, name in enumerate(classes)
    ]
    finite = thresholds[np.isfinite(thresholds)]
    lowest = float(finite.min()) if finite.size else 1.0
    return types.label_info(header=header, class_map=class_map, threshold=lowest)

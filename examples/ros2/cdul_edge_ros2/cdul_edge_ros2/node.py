"""The lifecycle node: images in, vision_msgs/Classification out, the newest image first."""

from __future__ import annotations

import threading
import traceback
from dataclasses import dataclass

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import (
    LifecycleNode,
    LifecyclePublisher,
    LifecycleState,
    TransitionCallbackReturn,
)
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String
from vision_msgs.msg import Classification, LabelInfo, ObjectHypothesis, VisionClass

from cdul_edge_ros2.messages import MessageTypes, build_classification, build_label_info
from cdul_edge_ros2.settings import PARAMETERS, Settings
from cdul_edge_ros2.topic_source import TopicFrame, TopicSource
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.row_json import to_json
from cdul_edge_runtime.streams.rows import Appeared, FramePrediction, Gone, Row, Status
from cdul_edge_runtime.streams.watch import Watch, watch

TYPES = MessageTypes(Classification, ObjectHypothesis, LabelInfo, VisionClass)

# What cameras publish with; one image, for an older one would only be late.
NEWEST_IMAGE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
)
# A node that joins later still learns the names.
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
WARN_EVERY_S = 5.0


@dataclass(frozen=True)
class Loaded:
    """What a configured node holds."""

    settings: Settings
    classifier: Classifier
    classifications: LifecyclePublisher[Classification]
    label_infos: LifecyclePublisher[LabelInfo]
    events: LifecyclePublisher[String]


@dataclass(frozen=True)
class Running:
    """What an active node does."""

    rows: Watch
    thread: threading.Thread
    subscription: Subscription


class ClassifierNode(LifecycleNode):
    """Publishes `~/classification`, `~/label_info` (latched), and `~/events` (JSON).

    It loads the bundle when it is configured, and listens while it is active. Images are classified
    in a thread of their own, so that the executor is never held up.
    """

    def __init__(self) -> None:
        super().__init__("classifier")
        for name, (default, description) in PARAMETERS.items():
            self.declare_parameter(name, default, ParameterDescriptor(description=description))
        self._loaded: Loaded | None = None
        self._running: Running | None = None

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the bundle; a bad parameter or bundle leaves the node unconfigured."""
        try:
            settings = Settings.read(lambda name: self.get_parameter(name).value)
            classifier = Classifier.load(
                settings.bundle,
                device=settings.device,
                precision=settings.precision,
                threads=settings.threads,
            )
        except CdulEdgeError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        self._loaded = Loaded(
            settings,
            classifier,
            self.create_lifecycle_publisher(Classification, "~/classification", 10),
            self.create_lifecycle_publisher(LabelInfo, "~/label_info", LATCHED),
            self.create_lifecycle_publisher(String, "~/events", 100),
        )
        self.get_logger().info(f"{settings.bundle} knows {len(classifier.classes)} classes")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Publish the names, and listen."""
        result = super().on_activate(state)  # from here on publishers publish
        if result != TransitionCallbackReturn.SUCCESS or self._loaded is None:
            return TransitionCallbackReturn.FAILURE
        try:
            self._begin(self._loaded)
        except CdulEdgeError as error:
            self.get_logger().error(str(error))
            super().on_deactivate(state)
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _begin(self, loaded: Loaded) -> None:
        classifier, settings = loaded.classifier, loaded.settings
        header = Header(stamp=self.get_clock().now().to_msg())
        info = build_label_info(TYPES, header, classifier.classes, classifier.thresholds)
        loaded.label_infos.publish(info)
        source = TopicSource(self._warn, settings.timeout_s)
        rows = watch(
            classifier,
            {"image": source},
            rate=settings.rate,
            smoothing=settings.smoothing,
            timeout_s=settings.timeout_s,
        )
        thread = threading.Thread(target=self._answer, args=(rows, loaded), daemon=True)
        thread.start()
        if settings.compressed:
            subscription = self.create_subscription(
                CompressedImage, "image", source.offer_compressed, NEWEST_IMAGE
            )
        else:
            subscription = self.create_subscription(
                Image, "image", source.offer_image, NEWEST_IMAGE
            )
        self._running = Running(rows, thread, subscription)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening; labels that are there go first."""
        self._end()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give the bundle back."""
        self.release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop, and give the bundle back."""
        self.release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop, and give the bundle back; the node may be configured again."""
        self.release()
        return super().on_error(state)

    def release(self) -> None:
        """End the thread, and close the classifier; calling it twice is fine."""
        self._end()
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            for publisher in (loaded.classifications, loaded.label_infos, loaded.events):
                self.destroy_lifecycle_publisher(publisher)
            loaded.classifier.close()

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            self.destroy_subscription(running.subscription)
            running.rows.stop()
            running.thread.join()

    def _answer(self, rows: Watch, loaded: Loaded) -> None:
        """Publish what is seen, until the watch is stopped."""
        try:
            with rows:
                for row in rows:
                    self._publish(row, loaded)
        except Exception:  # noqa: BLE001 - the log is all that a user sees of a thread
            if rclpy.ok():  # else ROS was shut down beneath the publishers
                self.get_logger().fatal(f"classifying ended:\n{traceback.format_exc()}")

    def _publish(self, row: Row, loaded: Loaded) -> None:
        if isinstance(row, FramePrediction) and isinstance(row.picture, TopicFrame):
            every = loaded.settings.all_scores
            header = row.picture.header
            loaded.classifications.publish(
                build_classification(TYPES, header, row, all_scores=every)
            )
        elif isinstance(row, (Appeared, Gone)):
            loaded.events.publish(String(data=to_json(row)))
        elif isinstance(row, Status):
            logger = self.get_logger()
            say = logger.error if row.state == "failed" else logger.info
            say(f"the images are {row.state}" + (f": {row.reason}" if row.reason else ""))

    def _warn(self, reason: str) -> None:
        self.get_logger().warning(
            f"an image was left out: {reason}", throttle_duration_sec=WARN_EVERY_S
        )


def main() -> None:
    """Spin the node until it is shut down; Ctrl-C ends it without a traceback."""
    rclpy.init()
    node = ClassifierNode()
    try:
        if (
            node.get_parameter("autostart").value
            and node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        ):
            node.trigger_activate()
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.release()
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()

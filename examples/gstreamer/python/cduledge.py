"""`cduledge`: a GStreamer filter that says what pictures show.

Pictures pass through unchanged. What is seen goes to the bus as element messages:

    cduledge-appeared  label, score, running-time (ns)
    cduledge-gone      label, peak, duration (ns), running-time
    cduledge-frame     labels, scores, running-time; with `frames=true`, for each picture, and as
                       an event that goes downstream in front of it
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import gi
import numpy as np

gi.require_version("Gst", "1.0")
gi.require_version("GstBase", "1.0")
gi.require_version("GstVideo", "1.0")

from gi.repository import GLib, GObject, Gst, GstBase, GstVideo

from cdul_edge_runtime.choices import Color
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.frame import Frame, Pixels
from cdul_edge_runtime.streams.labels.changes import LabelAppeared, LabelChange
from cdul_edge_runtime.streams.labels.smoothing import Smoother, Smoothing
from cdul_edge_runtime.streams.reading.pace import Pace

Value = bool | int | float | str
_USUAL = Smoothing()

CAPS = "video/x-raw,format={RGB,BGR},width=[1,32767],height=[1,32767]"
# The default of each property, and what `gst-inspect-1.0 cduledge` says of it.
PROPERTIES: dict[str, tuple[Value, str]] = {
    "bundle": ("", "Folder of the bundle"),
    "device": ("auto", "Where it runs, such as cpu, cuda, or tensorrt"),
    "precision": ("auto", "Such as fp32, fp16, or int8"),
    "threads": (1, "CPU threads within one operator"),
    "rate": (0.0, "Most pictures a second that are classified; 0 is all"),
    "frames": (False, "Whether each classified picture is a message, and an event in front of it"),
    "average": (_USUAL.average_s, "Time constant of the average of the logits, in seconds"),
    "enter": (_USUAL.enter, "Logits above its threshold at which a label appears"),
    "leave": (_USUAL.leave, "Logits below its threshold at which a label goes"),
    "appear": (_USUAL.appear_s, "Seconds for which a label must stay above before it appears"),
    "gone": (_USUAL.gone_s, "Seconds for which it must stay below before it is gone"),
}


@dataclass(frozen=True)
class Layout:
    """How a buffer holds a picture; rows may be padded."""

    width_px: int
    height_px: int
    stride_bytes: int
    offset_bytes: int
    color: Color

    def view(self, data: bytes) -> Pixels:
        """(H, W, 3) uint8 without the padding; no copy."""
        return np.lib.stride_tricks.as_strided(
            np.frombuffer(data, np.uint8, offset=self.offset_bytes),
            (self.height_px, self.width_px, 3),
            (self.stride_bytes, 3, 1),
            writeable=False,
        )


def _property(default: Value, text: str) -> tuple[object, ...]:
    """As PyGObject wants it: type, nick, description, range, default, flags."""
    kind = type(default)
    ranges: dict[type, tuple[float, float]] = {int: (1, 1024), float: (-1e9, 1e9)}
    return (kind, text, text, *ranges.get(kind, ()), default, GObject.ParamFlags.READWRITE)


class CdulEdge(GstBase.BaseTransform):
    """The element; GStreamer calls its `do_` methods from one thread at a time."""

    __gstmetadata__ = (
        "cdul-edge classifier",
        "Filter/Analyzer/Video",
        "Says what pictures show, by a cdul-edge bundle (multi-label classification)",
        "The cdul-edge authors",
    )
    __gsttemplates__ = tuple(
        Gst.PadTemplate.new(name, direction, Gst.PadPresence.ALWAYS, Gst.Caps.from_string(CAPS))
        for name, direction in (("sink", Gst.PadDirection.SINK), ("src", Gst.PadDirection.SRC))
    )
    __gproperties__ = {name: _property(*about) for name, about in PROPERTIES.items()}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self._values = {name: default for name, (default, _) in PROPERTIES.items()}
        self._classifier: Classifier | None = None
        self._smoother: Smoother | None = None
        self._layout: Layout | None = None
        self._pace = Pace(None, finite=True)
        self.set_passthrough(True)

    def do_get_property(self, prop: GObject.ParamSpec) -> Value:
        return self._values[prop.name]

    def do_set_property(self, prop: GObject.ParamSpec, value: Value) -> None:
        self._values[prop.name] = value

    def do_start(self) -> bool:
        """Load the bundle; an error ends the pipeline with one line."""
        try:
            self._load()
        except CdulEdgeError as error:
            self._fail(str(error))
            return False
        return True

    def _load(self) -> None:
        values = self._values
        if not values["bundle"]:
            raise CdulEdgeError("cduledge needs a bundle: set bundle=FOLDER")
        smoothing = Smoothing(
            average_s=float(values["average"]),
            enter=float(values["enter"]),
            leave=float(values["leave"]),
            appear_s=float(values["appear"]),
            gone_s=float(values["gone"]),
        )
        classifier = Classifier.load(
            str(values["bundle"]),
            device=str(values["device"]),
            precision=str(values["precision"]),
            threads=int(values["threads"]),
        )
        self._classifier = classifier
        self._smoother = Smoother(classifier.classes, classifier.thresholds, smoothing)
        rate = float(values["rate"])
        self._pace = Pace(rate if rate > 0 else None, finite=True)

    def do_stop(self) -> bool:
        """Give the bundle back."""
        if self._classifier is not None:
            self._classifier.close()
        self._classifier = self._smoother = None
        return True

    def do_set_caps(self, given: Gst.Caps, _: Gst.Caps) -> bool:
        info = GstVideo.VideoInfo.new_from_caps(given)
        if info is None:
            return False
        color: Color = "bgr" if info.finfo.format == GstVideo.VideoFormat.BGR else "rgb"
        self._layout = Layout(info.width, info.height, info.stride[0], info.offset[0], color)
        return True

    def do_sink_event(self, event: Gst.Event) -> bool:
        """At the end of the stream, end the labels that are there."""
        if event.type == Gst.EventType.EOS and self._smoother is not None:
            self._post_changes(self._smoother.close())
        return bool(GstBase.BaseTransform.do_sink_event(self, event))

    def do_transform_ip(self, buffer: Gst.Buffer) -> Gst.FlowReturn:
        """Look at a picture."""
        layout, time_s = self._layout_of(buffer), self._time_s(buffer)
        frame = Frame(lambda: layout.view(mapped.data), time_s, pts_s=time_s, color=layout.color)
        if not self._pace.is_due(frame):
            return Gst.FlowReturn.OK
        whole, mapped = buffer.map(Gst.MapFlags.READ)
        if not whole:
            return self._fail("a buffer cannot be read")
        try:
            self._look(frame)
        except CdulEdgeError as error:
            return self._fail(str(error))
        finally:
            buffer.unmap(mapped)
        return Gst.FlowReturn.OK

    def _look(self, frame: Frame) -> None:
        if self._classifier is None or self._smoother is None:
            raise CdulEdgeError("cduledge was not started")
        prediction = self._classifier.predict(frame.pixels(), color=frame.color)
        smoothed = self._smoother.update(prediction.scores, frame.time_s)
        if self._values["frames"]:
            there = np.flatnonzero(smoothed.present)
            there = there[np.argsort(-smoothed.scores[there], kind="stable")]
            seen = _structure(
                "cduledge-frame",
                frame.time_s,
                labels=Gst.ValueArray([prediction.classes.names[c] for c in there]),
                scores=Gst.ValueArray([float(smoothed.scores[c]) for c in there]),
            )
            self.post_message(Gst.Message.new_element(self, seen))
            self.srcpad.push_event(Gst.Event.new_custom(Gst.EventType.CUSTOM_DOWNSTREAM, seen))
        self._post_changes(smoothed.changes)

    def _layout_of(self, buffer: Gst.Buffer) -> Layout:
        """Of this buffer; decoders may pad rows more than the caps tell."""
        assert self._layout is not None
        meta = GstVideo.buffer_get_video_meta(buffer)
        if meta is None:
            return self._layout
        return Layout(meta.width, meta.height, meta.stride[0], meta.offset[0], self._layout.color)

    def _time_s(self, buffer: Gst.Buffer) -> float:
        """Running time, which goes on where a stream jumps; this machine's clock without one."""
        if buffer.pts == Gst.CLOCK_TIME_NONE:
            return time.monotonic()
        running_ns = self.segment.to_running_time(Gst.Format.TIME, buffer.pts)
        time_ns = buffer.pts if running_ns == Gst.CLOCK_TIME_NONE else running_ns
        return float(time_ns / Gst.SECOND)

    def _post_changes(self, changes: Sequence[LabelChange]) -> None:
        for change in changes:
            if isinstance(change, LabelAppeared):
                self._post(
                    "cduledge-appeared", change.time_s, label=change.label, score=change.score
                )
            else:
                duration_ns = _nanoseconds(change.duration_s)
                self._post(
                    "cduledge-gone",
                    change.time_s,
                    label=change.label,
                    peak=change.peak,
                    duration=duration_ns,
                )

    def _post(self, name: str, time_s: float, **fields: object) -> None:
        self.post_message(Gst.Message.new_element(self, _structure(name, time_s, **fields)))

    def _fail(self, text: str) -> Gst.FlowReturn:
        quark = Gst.ResourceError.quark()
        error = GLib.Error.new_literal(quark, text, int(Gst.ResourceError.FAILED))
        self.post_message(Gst.Message.new_error(self, error, ""))
        return Gst.FlowReturn.ERROR


def _structure(name: str, time_s: float, **fields: object) -> Gst.Structure:
    structure = Gst.Structure.new_empty(name)
    for field, value in {**fields, "running-time": _nanoseconds(time_s)}.items():
        structure.set_value(field, value)
    return structure


def _nanoseconds(seconds: float) -> GObject.Value:
    value = GObject.Value()
    value.init(GObject.TYPE_UINT64)
    value.set_uint64(max(0, round(seconds * Gst.SECOND)))
    return value


__gstelementfactory__ = ("cduledge", Gst.Rank.NONE, CdulEdge)

"""What GStreamer hands over: pixels without padding, and when they were taken."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from cdul_edge_runtime.choices import Color
from cdul_edge_runtime.streams.frame import CLOCKS_APART_S, Clock, Pixels
from cdul_edge_runtime.streams.sources.gstreamer.gst_library import Gst, GstVideo
from cdul_edge_runtime.streams.sources.gstreamer.gst_pipeline import FORMATS

SECOND = 1_000_000_000  # in GStreamer's unit
_NTP_TO_UNIX_S = 2_208_988_800  # from 1900 to 1970
_NTP = Gst.Caps.from_string("timestamp/x-ntp")
_UNIX = Gst.Caps.from_string("timestamp/x-unix")


@dataclass(frozen=True)
class Layout:
    """How the pixels of a buffer lie in memory, where the buffer itself says nothing else."""

    width: int
    height: int
    channels: int
    color: Color
    stride: int
    fps: float | None


@dataclass(frozen=True)
class Stamp:
    """When a frame was taken, in seconds since 1970, and by whose clock."""

    time_s: float
    clock: Clock


def layout_of(caps: Gst.Caps) -> Layout | None:
    """What negotiated caps say; None where their format is not one of `FORMATS`."""
    info = GstVideo.VideoInfo.new_from_caps(caps)
    if info is None or info.finfo is None or info.finfo.name not in FORMATS:
        return None
    name = info.finfo.name
    return Layout(
        info.width,
        info.height,
        1 if name == "GRAY8" else len(name),
        "bgr" if name.startswith("BGR") else "rgb",
        info.stride[0],
        info.fps_n / info.fps_d if info.fps_n else None,
    )


@dataclass(frozen=True)
class SamplePicture:
    """A picture that is copied out of GStreamer's memory only when it is needed."""

    sample: Gst.Sample
    layout: Layout

    def __call__(self) -> Pixels:
        """(H, W, 3) uint8, contiguous; a gray picture has its values three times."""
        layout = self.layout
        buffer = self.sample.get_buffer()
        meta = GstVideo.buffer_get_video_meta(buffer)  # a camera's driver may pad rows otherwise
        stride, offset = (layout.stride, 0) if meta is None else (meta.stride[0], meta.offset[0])
        data = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8)
        rows: Pixels = np.lib.stride_tricks.as_strided(
            data[offset : offset + stride * (layout.height - 1) + layout.width * layout.channels],
            (layout.height, layout.width, layout.channels),
            (stride, layout.channels, 1),
        )
        if layout.channels == 1:
            return np.repeat(rows, 3, axis=2)
        return np.array(rows[:, :, :3], np.uint8, order="C")


def pts_of(sample: Gst.Sample) -> float | None:
    """Presentation time within the stream, in seconds; None where the pipeline gives none."""
    pts = sample.get_buffer().pts
    if pts == Gst.CLOCK_TIME_NONE:
        return None
    stream_time = sample.get_segment().to_stream_time(Gst.Format.TIME, pts)
    return float((pts if stream_time == Gst.CLOCK_TIME_NONE else stream_time) / SECOND)


def taken_at(sample: Gst.Sample, pipeline: Gst.Pipeline) -> Stamp:
    """When a live frame was taken.

    The camera's clock, where RTCP told it; else when the frame entered the pipeline by the
    pipeline's clock, which for a camera at this machine is when the driver got it.
    """
    now = time.time()
    buffer = sample.get_buffer()
    for caps, epoch_s in ((_NTP, _NTP_TO_UNIX_S), (_UNIX, 0)):
        meta = buffer.get_reference_timestamp_meta(caps)
        if meta is not None and abs(meta.timestamp / SECOND - epoch_s - now) < CLOCKS_APART_S:
            return Stamp(meta.timestamp / SECOND - epoch_s, "camera")
    clock = pipeline.get_clock()
    if clock is None or buffer.pts == Gst.CLOCK_TIME_NONE:
        return Stamp(now, "arrival")
    running = sample.get_segment().to_running_time(Gst.Format.TIME, buffer.pts)
    age_s = (clock.get_time() - pipeline.get_base_time() - running) / SECOND
    return Stamp(now - age_s if 0 <= age_s < CLOCKS_APART_S else now, "arrival")

"""Pipelines of GStreamer: `gst:PIPELINE`, as gst-launch-1.0 reads it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.address import Address
from cdul_edge_runtime.streams.frame import Frame
from cdul_edge_runtime.streams.source import SourceInfo, StreamEnded, StreamLost
from cdul_edge_runtime.streams.sources.gstreamer.gst_failure import Failure, failure_of
from cdul_edge_runtime.streams.sources.gstreamer.gst_library import Gst
from cdul_edge_runtime.streams.sources.gstreamer.gst_pipeline import (
    FORMATS,
    ends_by_itself,
    parse_pipeline,
    reads_files,
)
from cdul_edge_runtime.streams.sources.gstreamer.gst_sample import (
    SECOND,
    Layout,
    SamplePicture,
    Stamp,
    layout_of,
    pts_of,
    taken_at,
)

if TYPE_CHECKING:
    from cdul_edge_runtime.streams.sources.open_source import SourceOptions

_SLICE_NS = SECOND // 20  # how long an interrupt or an error may wait


class GstSource:
    """A pipeline; see `Source`.

    It ends in an appsink: its own, or one that is added with a conversion to RGB. `finite` is True
    where everything that it reads is a file; `appsink drop=true` makes such a pipeline live too.
    A live pipeline drops frames that are not taken in time; a finite one waits.

    Raises:
        CdulEdgeError: the pipeline does not parse; nothing was opened.
    """

    def __init__(self, address: Address, options: SourceOptions) -> None:
        self._address = address
        self._timeout_s = options.timeout_s
        self._interrupted = False
        self._pipeline: Gst.Pipeline = None
        self._sink: Gst.Element = None
        self._first: Gst.Sample | None = None
        self._caps: Gst.Caps | None = None
        self._layout: Layout | None = None
        self._failure: Failure | None = None
        self._was_there = False
        pipeline, sink = self._parse()
        self.finite = reads_files(pipeline, sink)
        self._ends = ends_by_itself(pipeline)

    def open(self) -> SourceInfo:
        """Start the pipeline and wait for its first frame, for the time-out at most."""
        self._interrupted = False
        self._pipeline, self._sink = self._parse()
        self._sink.set_property("max-buffers", 1)
        self._sink.set_property("drop", not self.finite)
        self._sink.set_property("sync", False)
        try:
            self._play()
            self._first = self._pull()
            if self._first is None and not self._interrupted:
                raise CdulEdgeError(f"{self._address.shown}: the pipeline ended without a frame")
            layout = None if self._first is None else self._layout_of(self._first)
        except BaseException:
            self._stop()
            raise
        self._was_there = True
        if layout is None:
            return SourceInfo()
        return SourceInfo(layout.width, layout.height, fps=layout.fps)

    def frames(self) -> Iterator[Frame]:
        """Frames in order; of a live pipeline those that are the newest when they are asked for."""
        pipeline = self._pipeline
        if pipeline is None:
            raise CdulEdgeError(f"{self._address.shown}: it is not open")
        began_s = time.time()
        sample, self._first = self._first, None
        while sample is not None and not self._interrupted:
            picture = SamplePicture(sample, self._layout_of(sample))
            pts_s = pts_of(sample)
            if self.finite:
                stamp = Stamp(began_s + (pts_s or 0.0), "arrival")
            else:
                stamp = taken_at(sample, pipeline)
            yield Frame(picture, stamp.time_s, stamp.clock, pts_s, picture.layout.color)
            sample = self._pull()
        if self.finite or self._interrupted:
            return
        if self._ends:
            raise StreamEnded("the pipeline ended")
        raise StreamLost(f"{self._address.shown}: the pipeline ended")

    def interrupt(self) -> None:
        """End `open` and `frames` within a twentieth of a second."""
        self._interrupted = True

    def close(self) -> None:
        """Stop the pipeline, which gives devices and connections back."""
        self._stop()

    def _parse(self) -> tuple[Gst.Pipeline, Gst.Element]:
        return parse_pipeline(self._address.location, self._address.shown)

    def _play(self) -> None:
        pipeline = self._pipeline
        state = pipeline.set_state(Gst.State.PAUSED)
        if not self.finite and state not in (
            Gst.StateChangeReturn.NO_PREROLL,
            Gst.StateChangeReturn.FAILURE,
        ):
            # Not live for GStreamer, such as videotestsrc or a video over HTTP: as fast as it can
            # it would only burn a core, so it keeps the pace of its time stamps.
            self._sink.set_property("sync", True)
        if pipeline.set_state(Gst.State.PLAYING) == Gst.StateChangeReturn.FAILURE:
            self._raise_failure()
            raise CdulEdgeError(f"{self._address.shown}: the pipeline does not start")

    def _stop(self) -> None:
        pipeline, self._pipeline, self._sink = self._pipeline, None, None
        self._first = self._caps = self._layout = self._failure = None
        if pipeline is not None:
            pipeline.set_state(Gst.State.NULL)

    def _pull(self) -> Gst.Sample | None:
        """The next frame; None at the end, and after an interrupt."""
        # Slices instead of a clock: a machine that slept meanwhile is no camera that was silent.
        for _ in range(1 + math.ceil(self._timeout_s * SECOND / _SLICE_NS)):
            if self._interrupted:
                return None
            sample = self._sink.emit("try-pull-sample", _SLICE_NS)
            self._failure = self._failure or failure_of(
                self._pipeline.get_bus(), self._address.shown
            )
            if sample is not None:
                return sample
            self._raise_failure()
            if self._sink.get_property("eos"):
                return None
        raise StreamLost(f"{self._address.shown}: it sent no frame for {self._timeout_s:g} s")

    def _raise_failure(self) -> None:
        failure = self._failure or failure_of(self._pipeline.get_bus(), self._address.shown)
        if failure is None:
            return
        if failure.may_pass and not self.finite:
            raise StreamLost(failure.text)
        if failure.is_absence and self._was_there:  # unplugged, or still starting
            raise StreamLost(failure.text)
        raise CdulEdgeError(failure.text)

    def _layout_of(self, sample: Gst.Sample) -> Layout:
        caps = sample.get_caps()
        if self._layout is None or self._caps is None or not self._caps.is_equal(caps):
            self._caps, self._layout = caps, layout_of(caps)
        if self._layout is None:
            raise CdulEdgeError(
                f"{self._address.shown}: its appsink gives {caps.to_string()}; expected "
                f"video/x-raw in one of {', '.join(FORMATS)}: put videoconvert in front of it"
            )
        return self._layout

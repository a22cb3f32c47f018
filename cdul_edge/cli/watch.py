"""`cdul-edge watch`: cameras, videos, and robots in, what appears and goes out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cdul_edge.cli.options import watching as options
from cdul_edge.cli.options.devices import DeviceOption, PrecisionOption
from cdul_edge.cli.options.sources import name_sources
from cdul_edge.cli.options.stopping import Stopping
from cdul_edge.cli.options.thresholds import read_given
from cdul_edge.cli.output.complaints import complain
from cdul_edge.cli.output.devices import say_selection
from cdul_edge.cli.output.watch.lines import Display, View, choose_display, open_view
from cdul_edge.cli.output.watch.outputs import OutputRequest, open_outputs
from cdul_edge_runtime.errors import CdulEdgeError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cdul_edge_runtime.bundle.classes import ClassList
    from cdul_edge_runtime.classifier import Classifier
    from cdul_edge_runtime.streams.labels.smoothing import Smoothing
    from cdul_edge_runtime.streams.outputs.mqtt_address import MqttAddress
    from cdul_edge_runtime.streams.outputs.output import Output
    from cdul_edge_runtime.streams.rows import Row
    from cdul_edge_runtime.streams.watch import Watch
    from cdul_edge_runtime.streams.watch_inputs import WatchOptions


def watch(
    bundle: options.BundleArgument,
    sources: options.SourcesArgument,
    every: options.EveryOption = "events",
    json: options.JsonOption = None,
    rate: options.RateOption = None,
    no_smooth: options.NoSmoothOption = False,
    average: options.AverageOption = None,
    appear: options.AppearOption = None,
    gone: options.GoneOption = None,
    transport: options.TransportOption = "tcp",
    timeout: options.TimeoutOption = 5.0,
    no_reconnect: options.NoReconnectOption = False,
    stats: options.StatsOption = None,
    out: options.OutOption = None,
    out_size_mib: options.OutSizeOption = 64.0,
    out_keep: options.OutKeepOption = 5,
    force: options.ForceOption = False,
    mqtt: options.MqttOption = None,
    clip_events: options.ClipsOption = None,
    clip_size_mib: options.ClipSizeOption = 1024.0,
    threshold: options.ThresholdOption = None,
    top: options.TopOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: options.ThreadsOption = 1,
) -> None:
    """Watch cameras, videos, and robots: a row on stdout when a label appears or goes.

    Cameras answer with their newest frame, and are reconnected when they are lost; files and bags
    answer with every frame. Ctrl-C, SIGTERM, or a closed stdout ends it, after reporting the labels
    that are there as gone.
    """
    from cdul_edge_runtime.classifier import Classifier
    from cdul_edge_runtime.streams.watch_inputs import WatchOptions

    smoothing = _read_smoothing(no_smooth, average, appear, gone)
    how = WatchOptions(rate, smoothing, timeout, transport, not no_reconnect, stats)
    display = choose_display(json)
    broker = _read_broker(mqtt)
    outputs = OutputRequest(
        display.json, top, out, out_size_mib, out_keep, force, broker, clip_events, clip_size_mib
    )
    outputs.refuse_unusable()
    request = _Request(name_sources(sources), how, every == "frames", threshold, display, outputs)
    with (
        Stopping() as stopping,
        Classifier.load(
            bundle, device=device, precision=precision, threads=threads, spin=False
        ) as classifier,
    ):
        say_selection(classifier)
        _watch(classifier, request, stopping)


@dataclass(frozen=True)
class _Request:
    """What is watched, how, and where rows go."""

    sources: Mapping[str, str]
    how: WatchOptions
    with_frames: bool
    threshold: str | None
    display: Display
    outputs: OutputRequest


def _watch(classifier: Classifier, request: _Request, stopping: Stopping) -> None:
    from cdul_edge_runtime.streams.watch import Watch

    given = None
    if request.threshold is not None:
        given = read_given(request.threshold, classifier.classes)
    rows = Watch(classifier, request.sources, request.how, given)
    labels = _possible(classifier.classes, classifier.thresholds if given is None else given)
    streams = list(request.sources)
    with (
        open_view(streams, request.display) as view,
        open_outputs(request.outputs, streams, labels, view.say, stopping) as outputs,
    ):
        stopping.call(rows.stop)
        ending = _pass_on(rows, outputs, view, with_frames=request.with_frames)
    if not stopping.stopped:
        ending.conclude(outputs)


@dataclass
class _Ending:
    """What became of the streams."""

    connected: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def note(self, row: Row) -> None:
        from cdul_edge_runtime.streams.rows import Status

        if isinstance(row, Status):
            if row.state == "connected":
                self.connected.add(row.stream)
            if row.state == "failed":
                self.failed.add(row.stream)

    def conclude(self, outputs: Sequence[Output]) -> None:
        """Raise `CdulEdgeError` where no stream was opened, one was lost, or rows were."""
        if not self.connected:
            raise CdulEdgeError("no source could be opened: see above")
        if lost := sorted(self.failed & self.connected):
            raise CdulEdgeError(f"{', '.join(lost)} failed: see above")
        if self.failed:
            names = ", ".join(sorted(self.failed))
            complain(f"{names} could not be opened: see above", style="yellow")
        if rows := sum(output.lost for output in outputs):
            raise CdulEdgeError(f"{rows} rows or pictures could not be written: see above")


def _pass_on(rows: Watch, outputs: Sequence[Output], view: View, *, with_frames: bool) -> _Ending:
    from cdul_edge_runtime.streams.rows import FramePrediction

    ending = _Ending()
    with rows:
        for row in rows:
            ending.note(row)
            if with_frames or not isinstance(row, FramePrediction):
                for output in outputs:
                    output.write(row)
            view.show(row)
    return ending


def _read_smoothing(
    no_smooth: bool, average: float | None, appear: float | None, gone: float | None
) -> Smoothing | None:
    from cdul_edge_runtime.streams.labels.smoothing import Smoothing

    given = {"--average": average, "--appear": appear, "--gone": gone}
    for option, value in given.items():
        if value is not None and (no_smooth or not 0 <= value < math.inf):
            wrong = ": expected seconds, 0 or more"
            if no_smooth:
                wrong = " cannot be used with --no-smooth: leave one of them out"
            raise CdulEdgeError(f"{option} {value:g}{wrong}")
    if no_smooth:
        return None
    usual = Smoothing()
    return Smoothing(
        average_s=usual.average_s if average is None else average,
        appear_s=usual.appear_s if appear is None else appear,
        gone_s=usual.gone_s if gone is None else gone,
    )


def _read_broker(mqtt: str | None) -> MqttAddress | None:
    if mqtt is None:
        return None
    from cdul_edge_runtime.streams.outputs.mqtt_address import parse_mqtt

    return parse_mqtt(mqtt)


def _possible(classes: ClassList, thresholds: npt.NDArray[np.float32]) -> list[str]:
    """Labels that a score can reach."""
    return [name for name, least in zip(classes, thresholds, strict=True) if math.isfinite(least)]

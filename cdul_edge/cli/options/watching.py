"""The options of `cdul-edge watch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cdul_edge.cli.options.thresholds import THRESHOLD_HELP
from cdul_edge_runtime.choices import Transport
from cdul_edge_runtime.streams.labels.settings import Smoothing

_USUAL = Smoothing()
Every = Literal["events", "frames"]

BundleArgument = Annotated[
    Path, typer.Argument(help="Bundle folder, or an ONNX file that `cdul-edge export` made.")
]
SourcesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="[NAME=]SOURCE...",
        help="What to watch: a video file, rtsp://, http:// (MJPEG), /dev/video0, gst:PIPELINE, "
        "raw:640x480:rgb for frames on stdin, bag:FOLDER#TOPIC, or env:VARIABLE, which keeps a "
        "password out of the list of processes. Rows carry the name.",
        show_default=False,
    ),
]
EveryOption = Annotated[
    Every,
    typer.Option(
        help="events writes a row when a label appears or goes and when a stream changes its "
        "state; frames also writes the scores of every classified frame."
    ),
]
JsonOption = Annotated[
    bool | None,
    typer.Option(
        "--json/--no-json",
        help="Write rows as JSON lines on stdout.",
        show_default="unless stdout and stderr are a terminal, where a table shows the same",
    ),
]
RateOption = Annotated[
    float | None,
    typer.Option(
        help="Classify at most this many frames of each stream per second.",
        show_default="as many as the device can",
    ),
]
NoSmoothOption = Annotated[
    bool, typer.Option("--no-smooth", help="Judge each frame by itself; labels may flicker.")
]
AverageOption = Annotated[
    float | None,
    typer.Option(
        help="Average scores over this many seconds; more is calmer and slower.",
        show_default=str(_USUAL.average_s),
    ),
]
AppearOption = Annotated[
    float | None,
    typer.Option(
        help="Report a label once it has been seen for this many seconds.",
        show_default=str(_USUAL.appear_s),
    ),
]
GoneOption = Annotated[
    float | None,
    typer.Option(
        help="Report a label as gone once it has not been seen for this many seconds.",
        show_default=str(_USUAL.gone_s),
    ),
]
TransportOption = Annotated[
    Transport,
    typer.Option(help="How RTSP cameras send: tcp loses no packets, udp may be faster."),
]
TimeoutOption = Annotated[
    float,
    typer.Option(help="Count a camera as lost after this many seconds without a frame."),
]
NoReconnectOption = Annotated[
    bool, typer.Option("--no-reconnect", help="Give up on a lost camera instead of reconnecting.")
]
StatsOption = Annotated[
    float | None,
    typer.Option(
        help="Write a row of figures for each stream at this interval, in seconds: rates, ages, "
        "losses, memory, and drift.",
        show_default="none",
    ),
]
OutOption = Annotated[
    Path | None, typer.Option(help="Also append the rows to this file, as JSON lines.")
]
OutSizeOption = Annotated[
    float,
    typer.Option(help="Start a new --out file beyond this many MiB; the full one becomes FILE.1."),
]
OutKeepOption = Annotated[
    int, typer.Option(help="Keep this many full files of --out; FILE.1 is the newest.", min=0)
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace the rows in --out instead of appending to them.")
]
MqttOption = Annotated[
    str | None,
    typer.Option(
        metavar="mqtt[s]://[USER:PASSWORD@]HOST[:PORT][/PREFIX]",
        envvar="CDUL_EDGE_MQTT",
        show_envvar=False,
        help="Publish which labels are there to this broker, and announce them to Home Assistant. "
        "Other users of this machine can read command lines: to hide a password, set "
        "CDUL_EDGE_MQTT instead.",
        show_default=False,
    ),
]
ClipsOption = Annotated[
    Path | None, typer.Option(help="Keep a JPEG of each label that appears in this folder.")
]
ClipSizeOption = Annotated[
    float,
    typer.Option(help="Delete the oldest pictures of --clip-events beyond this many MiB in all."),
]
ThresholdOption = Annotated[
    str | None, typer.Option(help=f"{THRESHOLD_HELP}. Replaces the bundle's thresholds.")
]
TopOption = Annotated[
    int | None,
    typer.Option(help="Write only the K highest scores of each frame.", min=1, metavar="K"),
]
ThreadsOption = Annotated[int, typer.Option(help="CPU threads for the network.", min=1)]

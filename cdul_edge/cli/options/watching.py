"""The options of `cdul-edge watch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cdul_edge.cli.options.thresholds import THRESHOLD_HELP
from cdul_edge_runtime.streams.smoothing_settings import Smoothing

_USUAL = Smoothing()
Every = Literal["events", "frames"]
Transport = Literal["tcp", "udp"]

BundleArgument = Annotated[
    Path, typer.Argument(help="Bundle folder, or an ONNX file that `cdul-edge export` made.")
]
SourcesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="[NAME=]SOURCE...",
        help="What to watch: a video file, rtsp://, http:// (MJPEG), /dev/video0, gst:PIPELINE, "
        "raw:640x480:rgb for frames on stdin, or bag:FOLDER#TOPIC. Rows carry the name.",
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
        help="Classify at most so many frames of each stream per second.",
        show_default="all that the device manages",
    ),
]
NoSmoothOption = Annotated[
    bool, typer.Option("--no-smooth", help="Judge each frame by itself; labels may flicker.")
]
AverageOption = Annotated[
    float | None,
    typer.Option(
        help="Average scores over so many seconds; more is calmer and slower.",
        show_default=str(_USUAL.average_s),
    ),
]
AppearOption = Annotated[
    float | None,
    typer.Option(
        help="Report a label once it was seen for so many seconds.",
        show_default=str(_USUAL.appear_s),
    ),
]
GoneOption = Annotated[
    float | None,
    typer.Option(
        help="Report that a label is gone once it was not seen for so many seconds.",
        show_default=str(_USUAL.gone_s),
    ),
]
TransportOption = Annotated[
    Transport,
    typer.Option(help="How RTSP cameras send: tcp loses no packets, udp may be faster."),
]
TimeoutOption = Annotated[
    float,
    typer.Option(help="Count a camera as lost after so many seconds without a frame."),
]
NoReconnectOption = Annotated[
    bool, typer.Option("--no-reconnect", help="Give a lost camera up instead of trying it again.")
]
StatsOption = Annotated[
    float | None,
    typer.Option(
        help="Write a row of figures for each stream every so many seconds: rates, ages, losses, "
        "memory, and drift.",
        show_default="none",
    ),
]
OutOption = Annotated[
    Path | None, typer.Option(help="Append the rows to this file, too, as JSON lines.")
]
OutSizeOption = Annotated[
    float,
    typer.Option(help="Begin a new file beyond so many MiB of --out; the full one becomes FILE.1."),
]
OutKeepOption = Annotated[
    int, typer.Option(help="Keep so many full files of --out, FILE.1 the newest.", min=0)
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace the rows that --out holds; do not append to them.")
]
MqttOption = Annotated[
    str | None,
    typer.Option(
        metavar="mqtt[s]://[USER:PASSWORD@]HOST[:PORT][/PREFIX]",
        envvar="CDUL_EDGE_MQTT",
        show_envvar=False,
        help="Publish which labels are there to this broker, and announce them to Home Assistant. "
        "Other users of this machine see a command line: set CDUL_EDGE_MQTT instead.",
        show_default=False,
    ),
]
ClipsOption = Annotated[
    Path | None, typer.Option(help="Keep a JPEG of each label that appears in this folder.")
]
ClipSizeOption = Annotated[
    float, typer.Option(help="Delete the oldest of these pictures beyond so many MiB in all.")
]
ThresholdOption = Annotated[
    str | None, typer.Option(help=f"{THRESHOLD_HELP}. Replaces the bundle's thresholds.")
]
TopOption = Annotated[
    int | None,
    typer.Option(help="Write only the K highest scores of each frame.", min=1, metavar="K"),
]
ThreadsOption = Annotated[int, typer.Option(help="CPU threads for the network.", min=1)]

"""From an address to its source; the library that reads it is imported when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from cdul_edge_runtime.choices import Transport
from cdul_edge_runtime.streams.address import AddressKind, parse_address
from cdul_edge_runtime.streams.source import Source

_CLASSES: dict[AddressKind, tuple[str, str]] = {
    "file": ("video.av_source", "AvSource"),
    "rtsp": ("video.av_source", "AvSource"),
    "http": ("video.av_source", "AvSource"),
    "device": ("video.av_source", "AvSource"),
    "gst": ("gstreamer.gst_source", "GstSource"),
    "raw": ("raw_source", "RawSource"),
    "bag": ("ros.bag_source", "BagSource"),
}


@dataclass(frozen=True)
class SourceOptions:
    """How a source is opened and read.

    Attributes:
        transport: how an RTSP camera sends its packets: "tcp" loses none, "udp" may be faster.
        timeout_s: how long a live source may send nothing before it counts as lost.
    """

    transport: Transport = "tcp"
    timeout_s: float = 5.0


def open_source(address: str, options: SourceOptions | None = None) -> Source:
    """The source of an address; nothing is opened before its `open`.

    Raises:
        CdulEdgeError: the address names a protocol that no source reads.
        MissingExtraError: the library that reads it is not installed.
    """
    parsed = parse_address(address)
    module, name = _CLASSES[parsed.kind]
    kind = getattr(import_module(f"cdul_edge_runtime.streams.sources.{module}"), name)
    source: Source = kind(parsed, options or SourceOptions())
    return source

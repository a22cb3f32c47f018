"""Errors on a pipeline's bus: one line each, and whether a second try may help."""

from __future__ import annotations

from dataclasses import dataclass

from cdul_edge_runtime.streams.address import redact
from cdul_edge_runtime.streams.sources.gstreamer.gst_library import Gst

_ABSENT = (Gst.ResourceError.NOT_FOUND, Gst.ResourceError.NOT_AUTHORIZED)
_BROKEN_STREAM = (
    Gst.StreamError.NOT_IMPLEMENTED,
    Gst.StreamError.TYPE_NOT_FOUND,
    Gst.StreamError.WRONG_TYPE,
    Gst.StreamError.CODEC_NOT_FOUND,
)
_BROKEN_DOMAINS = ("gst-core-error-quark", "gst-library-error-quark")
_BROKEN_FLOWS = ("not-negotiated", "not-linked")


@dataclass(frozen=True)
class Failure:
    """Why a pipeline stopped.

    Attributes:
        text: one line without credentials.
        may_pass: refused, timed out, broken off: a camera that may come back.
        is_absence: not found or not authorized, which cures itself only where it once worked.
    """

    text: str
    may_pass: bool
    is_absence: bool


def failure_of(bus: Gst.Bus, shown: str) -> Failure | None:
    """The first error that is on the bus; every other message is taken off and forgotten."""
    wanted = Gst.MessageType.ERROR | Gst.MessageType.ELEMENT
    missing = ""
    while (message := bus.pop_filtered(wanted)) is not None:
        if message.type == Gst.MessageType.ERROR:
            return _read(message, shown, missing)
        structure = message.get_structure()
        if structure is not None and structure.get_name() == "missing-plugin":
            missing = structure.get_string("name") or ""
    return None


def _read(message: Gst.Message, shown: str, missing: str) -> Failure:
    error, debug = message.parse_error()
    # "source.c(12): function (): /path/of/element:", and then what says more.
    detail = (debug or "").partition("\n")[2].strip()
    parts = [error.message.strip().rstrip("."), detail]
    if missing:
        parts[1] = f"{missing}; most decoders are in gstreamer1.0-libav"
    if any(flow in detail for flow in _BROKEN_FLOWS):
        parts.append("check that it gives video, and put videoconvert in front of its appsink")
    source = f" ({message.src.get_name()})" if message.src is not None else ""
    text = f"{shown}: {redact(': '.join(filter(None, parts)))}{source}"
    absent = any(error.matches(Gst.resource_error_quark(), code) for code in _ABSENT)
    broken = (
        error.domain in _BROKEN_DOMAINS
        or any(flow in detail for flow in _BROKEN_FLOWS)
        or any(error.matches(Gst.stream_error_quark(), code) for code in _BROKEN_STREAM)
    )
    return Failure(text, not absent and not broken, absent)

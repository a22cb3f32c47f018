"""A pipeline's text as elements: what it lacks, where it ends, and whether it reads files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.address import redact
from cdul_edge_runtime.streams.sources.gstreamer.gst_library import GLib, Gst

# What `sample_pixels` reads; an appsink without caps of its own is asked for them.
FORMATS = ("RGB", "BGR", "RGBx", "BGRx", "RGBA", "BGRA", "GRAY8")
ENDING = " ! videoconvert ! video/x-raw,format=RGB ! appsink"
_OWN_SINK = re.compile(r"(?<![^\s!])appsink(?![^\s!])")
_ANY_FORMAT = f"video/x-raw,format={{{','.join(FORMATS)}}}"
_FILE_READERS = {"filesrc", "multifilesrc", "imagesequencesrc", "splitmuxsrc"}


def parse_pipeline(text: str, shown: str) -> tuple[Gst.Pipeline, Gst.Element]:
    """A pipeline, and the one appsink that it ends in. Nothing is opened.

    Args:
        text: as gst-launch reads it. Where it has no appsink, conversion to RGB and an appsink are
            added to its end.
        shown: the same for errors, without credentials.

    Raises:
        CdulEdgeError: it does not parse, names an element that is not there, or has two appsinks.
    """
    pipeline = _parse(text if _OWN_SINK.search(text) else text + ENDING, shown)
    sinks = _appsinks(pipeline)
    if len(sinks) != 1:
        raise CdulEdgeError(f"{shown}: it has {len(sinks)} appsinks; expected one, or none")
    (sink,) = sinks
    if sink.get_property("caps") is None:
        sink.set_property("caps", Gst.Caps.from_string(_ANY_FORMAT))
    for element in elements(pipeline):
        if element.find_property("add-reference-timestamp-meta") is not None:
            element.set_property("add-reference-timestamp-meta", True)  # the camera's own clock
    return pipeline, sink


def elements(pipeline: Gst.Pipeline) -> Iterator[Gst.Element]:
    """All elements of a pipeline, those of its bins too."""
    iterator = pipeline.iterate_recurse()
    while True:
        result, element = iterator.next()
        if result == Gst.IteratorResult.OK:
            yield element
        elif result == Gst.IteratorResult.RESYNC:  # it changed meanwhile
            iterator.resync()
        else:
            return


def reads_files(pipeline: Gst.Pipeline, sink: Gst.Element) -> bool:
    """Whether every frame counts: all it reads are files, and its appsink may not drop any."""
    if sink.get_property("drop"):
        return False
    readers = [_reads_file(element) for element in elements(pipeline)]
    told = [reads for reads in readers if reads is not None]
    return bool(told) and all(told)


def ends_by_itself(pipeline: Gst.Pipeline) -> bool:
    """Whether it was told how many buffers to make, so that its end is no loss."""
    return any(
        element.find_property("num-buffers") is not None
        and element.get_property("num-buffers") >= 0
        for element in elements(pipeline)
    )


def _reads_file(element: Gst.Element) -> bool | None:
    """None if it is not a source."""
    factory = element.get_factory()
    if factory is None:
        return None
    if factory.get_name() in _FILE_READERS:
        return not (element.find_property("loop") is not None and element.get_property("loop"))
    if element.find_property("uri") is not None and (uri := element.get_property("uri")):
        return bool(uri.startswith("file:"))
    return False if "Source" in factory.get_metadata("klass").split("/") else None


def _appsinks(pipeline: Gst.Pipeline) -> list[Gst.Element]:
    return [
        element
        for element in elements(pipeline)
        if (factory := element.get_factory()) is not None and factory.get_name() == "appsink"
    ]


def _parse(text: str, shown: str) -> Gst.Pipeline:
    context = Gst.ParseContext.new()
    try:
        parsed = Gst.parse_launch_full(text, context, Gst.ParseFlags.FATAL_ERRORS)
    except GLib.Error as error:
        reason = redact(str(error.message))
        if error.matches(Gst.parse_error_quark(), Gst.ParseError.NO_SUCH_ELEMENT):
            names = " ".join(context.get_missing_elements() or [])
            fix = (
                f"install the plugin that has it (gst-inspect-1.0 {names}): most are in "
                "gstreamer1.0-plugins-good, -bad and -ugly, and gstreamer1.0-libav"
            )
        else:
            fix = "expected ELEMENT ! ELEMENT as for gst-launch-1.0, the last giving raw video"
    else:
        if isinstance(parsed, Gst.Pipeline):
            return parsed
        pipeline = Gst.Pipeline.new(None)  # a single element is no pipeline yet
        pipeline.add(parsed)
        return pipeline
    # not from within: GStreamer's error, its context, may repeat what is not redacted
    raise CdulEdgeError(f"{shown}: GStreamer cannot read it: {reason}; {fix}")

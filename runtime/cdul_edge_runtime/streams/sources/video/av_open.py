"""Opening a video, a camera or a device with FFmpeg, and nothing but what was named."""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import av

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.address import Address, AddressKind
from cdul_edge_runtime.streams.source import SourceInfo, StreamLost

if TYPE_CHECKING:
    from cdul_edge_runtime.streams.sources.open_source import SourceOptions

# A playlist or a session description may name what else to open. What is not listed stays shut.
_PROTOCOLS: dict[AddressKind, str] = {
    "file": "file",
    "rtsp": "rtsp,rtsps,rtp,srtp,rtcp,tcp,tls,udp,http,https",
    "http": "http,https,httpproxy,tcp,tls,crypto",
    "device": "file",
}
# What lists other files: a stranger's video would open whatever it names. HLS and DASH are how
# servers send video; from there, the protocols above keep them off the files of this machine.
_LISTS = {"concat", "sdp", "imf", "vobsub", "avisynth", "vapoursynth", "webm_dash_manifest"}
_LISTS_OF_FILES = {*_LISTS, "hls", "dash"}
_TEXT_AS_VIDEO = {"tty", "bin", "xbin", "adf", "idf"}  # FFmpeg draws letters
_PICTURES = {"image2", "jpeg_pipe", "png_pipe", "bmp_pipe", "webp_pipe", "tiff_pipe", "svg_pipe"}
_RECORDINGS = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".mpg", ".mpeg", ".wmv"}
_MOST_FPS = 1000


def is_file(address: Address) -> bool:
    """Whether every frame counts: a file here, or one by its name on a web server."""
    if address.kind == "http":
        return PurePosixPath(urlsplit(address.location).path).suffix.lower() in _RECORDINGS
    return address.kind == "file"


def open_container(address: Address, options: SourceOptions) -> av.container.InputContainer:
    """Open it, within the time-out for each of FFmpeg's two steps where it is live.

    Raises:
        av.FFmpegError: FFmpeg could not.
    """
    given = {"protocol_whitelist": _PROTOCOLS[address.kind]}
    if address.kind in ("file", "http"):
        given["format_whitelist"] = _formats_but(
            _LISTS if address.kind == "http" else _LISTS_OF_FILES
        )
    if address.kind == "file":
        given["pattern_type"] = "none"  # "%d" in a picture's name is no pattern
        # The prefix keeps "12:30.mp4" from being a protocol.
        return av.open(f"file:{address.location}", options=given)
    if address.kind == "device":
        given["timestamps"] = "abs"  # pts count from 1970
        return av.open(address.location, format="v4l2", options=given, timeout=options.timeout_s)
    # Without it FFmpeg watches a second of video to learn the frame rate.
    given["fpsprobesize"] = "0"
    if address.kind == "http":
        return av.open(address.location, options=given, timeout=options.timeout_s)
    given["rtsp_transport"] = options.transport
    try:
        only_video = {**given, "allowed_media_types": "video"}
        return av.open(address.location, options=only_video, timeout=options.timeout_s)
    except av.error.HTTPOtherClientError:  # it has no video, or sends nothing without its sound
        return av.open(address.location, options=given, timeout=options.timeout_s)


def _formats_but(refused: set[str]) -> str:
    """FFmpeg's list of what it may take a file for; it has none of what it may not."""
    formats = (name for name in av.formats_available if not refused & set(name.split(",")))
    return ",".join(sorted(formats))


def check_file(address: Address) -> None:
    """Refuse what is not a video file, and say what it is.

    Raises:
        CdulEdgeError: nothing is there, or a folder, an empty file, or a device.
    """
    try:
        found = Path(address.location).stat()
    except FileNotFoundError:
        raise CdulEdgeError(f"{address.shown}: there is no such file") from None
    except OSError as error:
        raise CdulEdgeError(f"{address.shown}: it cannot be read: {error.strerror}") from None
    if stat.S_ISDIR(found.st_mode):
        raise CdulEdgeError(f"{address.shown}: it is a folder; name one video file in it")
    if not stat.S_ISREG(found.st_mode):
        raise CdulEdgeError(f"{address.shown}: it is not a file; pipe raw: frames instead")
    if found.st_size == 0:
        raise CdulEdgeError(f"{address.shown}: it is empty")


def check_device(address: Address, *, opened_before: bool) -> None:
    """Refuse a camera that is not there.

    Raises:
        StreamLost: it was there before, and may be plugged in again.
        CdulEdgeError: it never was.
    """
    if not Path(address.location).exists():
        kind = StreamLost if opened_before else CdulEdgeError
        raise kind(f"{address.shown}: there is no such camera; look at /dev/video*")


def video_stream(address: Address, container: av.container.InputContainer) -> av.VideoStream:
    """The stream to watch.

    Raises:
        CdulEdgeError: there is none, or it is a still picture, or text.
        StreamLost: a camera connected, and sent no video.
    """
    name = container.format.name
    if address.kind == "file" and name in _TEXT_AS_VIDEO:
        raise CdulEdgeError(f"{address.shown}: it is a text, not a video")
    if address.kind == "file" and name in _PICTURES:
        raise CdulEdgeError(f"{address.shown}: it is a picture, not a video: use cdul-edge predict")
    if address.kind == "http" and name in _PICTURES and container.size > 0:
        raise CdulEdgeError(
            f"{address.shown}: it answers with one picture; name the address of its MJPEG stream"
        )
    videos = [s for s in container.streams.video if not _is_cover(s)]
    if not videos:
        kinds = sorted({stream.type for stream in container.streams})
        raise CdulEdgeError(
            f"{address.shown}: it has no video, only {', '.join(kinds) or 'an empty stream'}"
        )
    best = container.streams.best("video")
    stream = best if best in videos else videos[0]
    if stream.codec_context is None:
        raise CdulEdgeError(f"{address.shown}: this FFmpeg has no decoder for its video")
    if address.kind != "file" and not stream.codec_context.width:
        raise StreamLost(f"{address.shown}: it answered, and sent no video")
    stream.codec_context.thread_count = 1  # several streams give the parallelism
    return stream


def _is_cover(stream: av.VideoStream) -> bool:
    """Whether it is the picture of an album, which sound files carry."""
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def describe(stream: av.VideoStream) -> SourceInfo:
    """What is known before the first frame."""
    context = stream.codec_context
    rate = float(stream.average_rate or 0)
    return SourceInfo(
        context.width or None,
        context.height or None,
        context.name,
        rate if 0 < rate <= _MOST_FPS else None,
    )

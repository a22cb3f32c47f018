"""What FFmpeg's errors mean for a stream, and which of them may pass."""

from __future__ import annotations

import errno

import av

from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.streams.address import Address
from cdul_edge_runtime.streams.source import StreamLost

_LIST = "it is a list of other files, as playlists are, or raw video without its size: name a video"
_LOGIN = "write the user name and the password into the address, as in {0}://USER:PASSWORD@HOST/…"


def file_failure(address: Address, error: av.FFmpegError) -> CdulEdgeError:
    """Why a file cannot be opened."""
    shown = address.shown
    reason = error.strerror
    if error.errno == errno.EACCES:
        return CdulEdgeError(f"{shown}: it cannot be read: permission denied")
    if isinstance(error, av.error.ArgumentError):  # what is not on our list of formats
        return CdulEdgeError(f"{shown}: {_LIST}")
    if isinstance(error, (PermissionError, ValueError, EOFError, LookupError)):
        return CdulEdgeError(
            f"{shown}: it is not a video that FFmpeg can read, or it is damaged ({reason})"
        )
    return CdulEdgeError(f"{shown}: it cannot be read: {reason}")


def live_failure(address: Address, error: av.FFmpegError, *, opened_before: bool) -> CdulEdgeError:
    """Why a camera cannot be opened; a `StreamLost` where it may come back.

    Args:
        opened_before: the same address was good once, so that even a 404 may pass: a camera that
            starts answers before its stream is there.
    """
    shown = address.shown
    if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
        scheme = address.location.partition(":")[0]
        return CdulEdgeError(
            f"{shown}: it refused the login ({error.strerror}); {_LOGIN.format(scheme)}"
        )
    lasting = _lasting_reason(address, error)
    if lasting is not None:
        return (StreamLost if opened_before else CdulEdgeError)(f"{shown}: {lasting}")
    if isinstance(error, ConnectionRefusedError):
        return StreamLost(f"{shown}: connection refused: nothing listens at that port")
    if address.kind == "rtsp" and isinstance(error, av.error.InvalidDataError):
        return StreamLost(f"{shown}: it answers, but not as an RTSP camera does")
    return StreamLost(f"{shown}: {error.strerror}")


def _lasting_reason(address: Address, error: av.FFmpegError) -> str | None:
    """What no second try cures; None for all else."""
    if isinstance(error, (av.error.HTTPNotFoundError, av.error.HTTPBadRequestError)):
        return f"it has no such stream ({error.strerror}); check what follows the host"
    if isinstance(error, av.error.ProtocolNotFoundError):
        return "this FFmpeg cannot read its protocol; install av from PyPI, whose wheels can"
    if isinstance(error, (av.error.DecoderNotFoundError, av.error.DemuxerNotFoundError)):
        return f"this FFmpeg cannot read it ({error.strerror})"
    if address.kind == "rtsp" and error.errno == errno.EPROTONOSUPPORT:
        return "it sends nothing over this transport: choose the other one, tcp or udp"
    if address.kind == "device":
        return _device_reason(error)
    if address.kind == "http" and isinstance(error, av.error.ArgumentError):
        return "it sends a list of other files, or leads to one here: name the address of a video"
    if address.kind == "http" and isinstance(error, av.error.InvalidDataError):
        return (
            "it answers with something that is not a video, such as a web page; name the address "
            "of its MJPEG stream"
        )
    return None


def _device_reason(error: av.FFmpegError) -> str | None:
    if isinstance(error, PermissionError):
        return "permission denied; add the user to the group video: sudo usermod -aG video $USER"
    if error.errno in (errno.ENOTTY, errno.EINVAL):
        return "it is not a camera; most have a second device for metadata: try another number"
    return None

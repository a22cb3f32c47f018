"""The Hub through huggingface_hub, and what it answers in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils.tqdm import disable_progress_bars

from cdul_edge_runtime.errors import CdulEdgeError

_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


def open_hub() -> HfApi:
    """The Hub, or what HF_ENDPOINT names in its place."""
    if not sys.stderr.isatty():
        disable_progress_bars()
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="cdul-edge")


def require_token() -> None:
    """Raise `CdulEdgeError` where nobody is logged in."""
    if get_token() is None:
        raise CdulEdgeError(f"pushing to the Hub needs an access token: {_LOG_IN}")


@contextmanager
def one_line(repository: str, revision: str) -> Iterator[None]:
    """Turn what the Hub or the network refuses into one line, without a token in it.

    Raises:
        CdulEdgeError: in place of the library's exceptions.
    """
    try:
        yield
    except CdulEdgeError:
        raise
    except Exception as error:
        address = f"hf://{repository}"
        message = _explain(_cause(error), address, revision) or _explain(error, address, revision)
        if message is None:
            raise
        raise CdulEdgeError(_without_token(message)) from None


def _cause(error: BaseException) -> BaseException:
    """What the library wraps: in uploads a RuntimeError, in downloads a LocalEntryNotFoundError."""
    while error.__cause__ and isinstance(error, (RuntimeError, LocalEntryNotFoundError)):
        error = error.__cause__
    return error


def _explain(error: BaseException, address: str, revision: str) -> str | None:
    """One line; None where the error is a bug of ours."""
    if isinstance(error, RevisionNotFoundError):
        return f"{address} has no revision {revision!r}: check --revision"
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"{address} is not there, or is private and your token may not see it: check the name, "
            f"or {_LOG_IN}"
        )
    if status == 401:
        return f"the Hub does not accept your token: {_LOG_IN}"
    if isinstance(error, HfHubHTTPError):
        return _explain_refusal(error, address)
    if isinstance(error, (OfflineModeIsEnabled, LocalEntryNotFoundError)) or _is_of_network(error):
        reason = str(error) or type(error).__name__
        return (
            f"{address} could not be reached ({reason.splitlines()[0]}): check the network, and "
            "HF_ENDPOINT and HF_HUB_OFFLINE; the same command goes on"
        )
    if _is_of_library(error):
        return (
            f"{address}: what answers is not the Hub, or answers in another form "
            f"({type(error).__name__}): check HF_ENDPOINT, and whether a proxy or a page that asks "
            "to log in to the network stands before it"
        )
    return None


def _explain_refusal(error: HfHubHTTPError, address: str) -> str:
    status = error.response.status_code
    if status == 403 and error.response.request.method in ("GET", "HEAD"):
        return f"your token may not read {address}: ask its owner for access, or {_LOG_IN}"
    if status == 403:
        return f"your token may not write to {address}: use one with write access to it"
    told = error.server_message or "no reason given"
    return f"the Hub refused {address} (status {status}: {told})"


def _is_of_library(error: BaseException) -> bool:
    """Whether an answer's fields or JSON are not what the library takes for granted."""
    modules = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    known = isinstance(error, (LookupError, TypeError, ValueError, AttributeError))
    return known and any(name.startswith("huggingface_hub.") for name in modules)


def _is_of_network(error: BaseException) -> bool:
    # The library's HTTP client has changed its name before.
    return isinstance(error, ConnectionError) or type(error).__module__.startswith("httpx")


def _without_token(message: str) -> str:
    token = get_token()
    return message.replace(token, "…") if token else message

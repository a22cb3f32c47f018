"""What goes wrong between here and an object store, in one line each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cdul_edge.storage.location import Url
from cdul_edge_runtime.errors import CdulEdgeError

_AGAIN = "run the same command again: what is finished is kept"
_REQUEST = re.compile(r"\s*\(Request ID: [^)]*\)")
_LONGEST = 200  # characters of a library's own words

_CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`",
    "hf": "set HF_TOKEN, or run `hf auth login`",
}
_CREDENTIALS |= {"s3a": _CREDENTIALS["s3"], "s3n": _CREDENTIALS["s3"], "gcs": _CREDENTIALS["gs"]}
_ENDPOINTS = {"s3": " and AWS_ENDPOINT_URL", "gs": " and STORAGE_EMULATOR_HOST"}
_SECRETS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "HF_TOKEN",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
)
# What says where S3's credentials come from; the last two are set by ECS and EKS.
_SOURCES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)

_NO_KEY = re.compile(r"NO_SUCH_KEY|NoSuchKey|RESOURCE_NOT_FOUND during (Copy|Get)Object")
_NO_BUCKET = re.compile(r"NO_SUCH_BUCKET|NoSuchBucket|bucket does not exist|bucket .*not found")
_NO_CREDENTIALS = re.compile(
    r"NoCredentials|Unable to locate credentials|default credentials|OAuth|MissingCredentials"
)
_DENIED = re.compile(
    r"ACCESS_DENIED|AccessDenied|INVALID_ACCESS_KEY_ID|InvalidAccessKeyId|INVALID_CLIENT_TOKEN_ID"
    r"|SIGNATURE_DOES_NOT_MATCH|SignatureDoesNotMatch|UNRECOGNIZED_CLIENT|EXPIRED|ExpiredToken"
    r"|HTTP status 40[13]\b|\b40[13] Client Error|Forbidden|Unauthorized|PERMISSION_DENIED"
    r"|UNAUTHENTICATED|GatedRepo"
)
_REGION = re.compile(r"HTTP status 30[127]\b|PermanentRedirect|AuthorizationHeaderMalformed")
_UNREACHABLE = re.compile(
    r"NETWORK_CONNECTION|REQUEST_TIMEOUT|[Tt]imed out|[Tt]imeout|curl|onnect(ion)? "
    r"|EndpointConnectionError|ConnectionError|ConnectError|resolve|UNAVAILABLE",
)
_BUSY = re.compile(r"SLOW_DOWN|THROTTLING|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|HTTP status 5\d\d")
_WRONG = re.compile(
    r"HTTP status (2\d\d|404|405|501)\b|Unable to parse|No response body|NotImplemented"
    r"|Method Not Allowed|Syntax error|XML"
)


@contextmanager
def name_faults(url: Url, done: str) -> Iterator[None]:
    """Say what went wrong inside, with the place, the cause and what to do.

    Args:
        url: the place.
        done: what it could not be: "opened", "read", "written", "listed".

    Raises:
        FileNotFoundError: nothing of that name is there.
        CdulEdgeError: for everything else.
    """
    try:
        yield
    except (CdulEdgeError, FileNotFoundError, MemoryError):
        raise
    except Exception as error:
        if _NO_KEY.search(str(error)):
            raise FileNotFoundError(2, "No such file", str(url)) from error
        raise CdulEdgeError(f"{url} cannot be {done}: {explain_fault(url, error)}") from error


def explain_fault(url: Url, error: Exception) -> str:
    """Cause and fix of what a store's library raised; no credential is in it."""
    words = f"{type(error).__name__} {error}"
    own = _shorten(hide_secrets(" ".join(str(error).split()) or type(error).__name__))
    credentials = _CREDENTIALS.get(url.scheme, "set the store's credentials in the environment")
    if _NO_BUCKET.search(words):
        return missing_bucket(url)
    if _NO_CREDENTIALS.search(words) or (_DENIED.search(words) and _has_no_credentials(url)):
        return f"no credentials were found: {credentials}"
    if _DENIED.search(words) or isinstance(error, PermissionError):
        return (
            "access was denied: check that the credentials are right, and that they permit to "
            f"list, read and write there, or {credentials}"
        )
    if _REGION.search(words):
        return "the bucket is in another region: set AWS_REGION to it"
    if _WRONG.search(words):
        place = f"check the address{_ENDPOINTS.get(url.scheme, '')}"
        return f"what answers is no such store ({own}): {place}"
    if _BUSY.search(words):
        return f"the store is overloaded, or fails ({own}): {_AGAIN}"
    if _UNREACHABLE.search(words):
        place = f"check the network{_ENDPOINTS.get(url.scheme, '')}"
        return f"the store cannot be reached ({own}): {place}, then {_AGAIN}"
    return f"{own}: check the address, or {_AGAIN}"


def missing_bucket(url: Url) -> str:
    """Cause and fix where a bucket is not there."""
    bucket = url.place.partition("/")[0]
    also = _ENDPOINTS.get(url.scheme, "")
    return f"there is no such bucket, {bucket!r}: check its name{also}, or make it first"


def _shorten(text: str) -> str:
    """What a library says, without what it says of itself."""
    text = _REQUEST.sub("", text)
    for before in ("AWS Error ", "Details: "):
        text = text.rpartition(before)[2]
    return text.strip(" :")[:_LONGEST]


def hide_secrets(text: str) -> str:
    """The text without what the environment holds as credentials."""
    for name in _SECRETS:
        if secret := os.environ.get(name):
            text = text.replace(secret, "…")
    return text


def _has_no_credentials(url: Url) -> bool:
    if not url.scheme.startswith("s3"):
        return False
    file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    return not file.exists() and not any(os.environ.get(name) for name in _SOURCES)

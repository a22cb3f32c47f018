"""Which library speaks to which object store, and how long it may try."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from cdul_edge.storage.faults import name_faults
from cdul_edge.storage.location import Url
from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError

if TYPE_CHECKING:
    from pyarrow import fs

# The shipped libraries wait for minutes, or try again for a quarter of an hour.
CONNECT_S, SILENCE_S, ATTEMPTS = 10, 20, 4

S3, GCS = ("s3", "s3a", "s3n"), ("gs", "gcs")
_ARROW = ("abfs", "abfss", "hdfs", "viewfs")


def open_file_system(url: Url) -> tuple[fs.FileSystem, str]:
    """The file system of a URL, and the path in it.

    Endpoint, region and credentials are those of the usual environment and files of each store;
    no request is made, but to ask for a bucket's region where none is set.

    Raises:
        CdulEdgeError: nothing here knows the scheme, or a package for it is not installed.
    """
    from pyarrow import fs

    if url.scheme in S3:
        return _open_s3(url), url.place
    if url.scheme in GCS:
        with name_faults(url, "opened"):
            return _open_gcs(), url.place
    if url.scheme in _ARROW:
        with name_faults(url, "opened"):
            system, path = fs.FileSystem.from_uri(url.text)
            return system, path
    return _open_fsspec(url)


def _open_s3(url: Url) -> fs.FileSystem:
    bucket = Url(f"s3://{url.place.partition('/')[0]}")
    found = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return _connect_s3(bucket, os.getpid(), tuple(sorted(found.items())))


@lru_cache(16)
def _connect_s3(bucket: Url, process: int, settings: tuple[tuple[str, str], ...]) -> fs.FileSystem:
    """One connection for a bucket: a new one would ask for region and credentials again.

    Args:
        bucket: the bucket.
        process: this one; a connection does not survive a fork.
        settings: the environment.
    """
    from pyarrow import fs

    found = dict(settings).get
    endpoint = found("AWS_ENDPOINT_URL_S3") or found("AWS_ENDPOINT_URL")
    region = found("AWS_REGION") or found("AWS_DEFAULT_REGION")
    if region is None and endpoint:
        region = "us-east-1"  # what imitations and other makes of S3 go by
    configuration = Path(found("AWS_CONFIG_FILE", "~/.aws/config")).expanduser()
    with name_faults(bucket, "opened"):
        if region is None and not configuration.exists():
            region = fs.resolve_s3_region(bucket.place)
        return fs.S3FileSystem(
            endpoint_override=endpoint,
            region=region,
            connect_timeout=CONNECT_S,
            request_timeout=SILENCE_S,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
            allow_delayed_open=True,  # what is small goes in one request
        )


def _open_gcs() -> fs.FileSystem:
    from pyarrow import fs

    limit = timedelta(seconds=SILENCE_S)
    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    if not emulator:
        return fs.GcsFileSystem(retry_time_limit=limit)
    scheme, _, place = emulator.rpartition("://")
    return fs.GcsFileSystem(
        anonymous=True, scheme=scheme or "http", endpoint_override=place, retry_time_limit=limit
    )


def _open_fsspec(url: Url) -> tuple[fs.FileSystem, str]:
    from pyarrow import fs

    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{url.scheme}:// addresses need fsspec, which is not installed: pip install fsspec"
        ) from error
    try:
        kind = fsspec.get_filesystem_class(url.scheme)
    except ImportError as error:  # its text names the package to install
        raise MissingExtraError(
            f"{url} needs a package that is not installed: {_advice(url.scheme, error)}"
        ) from error
    except ValueError as error:
        raise CdulEdgeError(
            f"{url} is of no known kind: expected a path, s3://, gs://, hf://, or another scheme "
            "of fsspec's"
        ) from error
    with name_faults(url, "opened"):
        system = kind(**kind._get_kwargs_from_urls(url.text))
        return fs.PyFileSystem(fs.FSSpecHandler(system)), str(system._strip_protocol(url.text))


def _advice(scheme: str, error: ImportError) -> str:
    from fsspec.registry import known_implementations

    return str(known_implementations.get(scheme, {}).get("err", error))

"""Which files of a bundle travel, and what must not."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable
from pathlib import Path

from cdul_edge_runtime.bundle.bundle import MANIFEST, REFERENCE, SCORE_REFERENCE, Bundle
from cdul_edge_runtime.bundle.manifest import Manifest, Precision
from cdul_edge_runtime.errors import BundleError, CdulEdgeError

CARD = "README.md"
WEIGHTS = "model.safetensors"
NETWORK = "network.json"

_NAMES = (MANIFEST, REFERENCE, SCORE_REFERENCE, "calibration.json", "sensitivity.json")
_MODEL = re.compile(r"model\.[a-z0-9-]+\.(?:onnx|json)")
_LARGEST = 50 << 30  # bytes; the Hub takes no larger file

_TOKENS = {
    rb"\bhf_[A-Za-z0-9]{20,}": "an access token of Hugging Face",
    rb"\bgh[pousr]_[A-Za-z0-9]{30,}": "an access token of GitHub",
    rb"\bAKIA[0-9A-Z]{16}\b": "an access key of AWS",
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----": "a private key",
    rb"://[^\s/:@\"']+:[^\s/@\"']+@": "an address with a password",
}
# Where people's files lie. Layers have names with slashes, too, so not every path is one.
_PATHS = (
    rb"/(?:home|Users|root|mnt|media|tmp|srv|private)/[\w.~-]{3,}"
    rb"|\b[A-Za-z]:\\+Users\\+[\w.~-]{2,}"
)


def is_part(name: str) -> bool:
    """Whether a file of a repository belongs to a bundle; engines are of one machine."""
    return name in _NAMES or _MODEL.fullmatch(name) is not None


def choose_parts(manifest: Manifest, present: Iterable[str]) -> list[str]:
    """Names of the files of a bundle, sorted: those of its manifest, and other parts among these.

    Raises:
        BundleError: the manifest names something else, such as an engine: that is a program of one
            machine, and whoever pulled it would run it.
    """
    others = sorted(name for name in manifest.files if not is_part(name))
    if others:
        raise BundleError(f"its {MANIFEST} names {others[0]!r}, which is no part of a bundle")
    return sorted({*manifest.files, *filter(is_part, present)})


def list_parts(bundle: Bundle) -> list[str]:
    """Names of the files of a bundle, sorted, after a check of every record.

    Raises:
        BundleError: a file is not the one that its record names, or no part of a bundle.
    """
    check_precisions(bundle)
    present = {path.name for path in bundle.folder.iterdir() if path.is_file()}
    return choose_parts(bundle.manifest, present)


def check_precisions(bundle: Bundle) -> None:
    """Raise `BundleError` where a reduced file is not the one that its record names."""
    for precision in Precision:
        if bundle.has_record(precision):
            bundle.model_path(precision)


def check_contents(files: Iterable[Path]) -> int:
    """Refuse what must not be published.

    Returns:
        The size of all files in bytes.

    Raises:
        CdulEdgeError: a token, a key, or a path of this machine in one of them, or a file that is
            too large. Tokens are not shown.
    """
    total = 0
    for file in files:
        size = file.stat().st_size
        if size > _LARGEST:
            raise CdulEdgeError(
                f"{file} has {size >> 30} GiB, and the Hub takes {_LARGEST >> 30} GiB at most"
            )
        total += size
        if size:
            with (
                file.open("rb") as opened,
                mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
            ):
                _check_content(file, content)
    return total


def check_names(source: Path, names: Iterable[str]) -> None:
    """The same for names that stand compressed in `source`."""
    _check_content(source, "\n".join(names).encode("utf-8", "surrogateescape"))


def _check_content(file: Path, content: bytes | mmap.mmap) -> None:
    for pattern, what in _TOKENS.items():
        if re.search(pattern, content):
            raise CdulEdgeError(
                f"{file} holds what looks like {what}, and nothing was pushed: remove it and make "
                "the bundle again"
            )
    home = str(Path.home()).encode()
    homes = rb"|" + re.escape(home) + rb"/" if len(home) > 1 else b""
    found = re.search(_PATHS + homes, content)
    if found:
        shown = content[found.start() : found.start() + 80].split(b'"')[0]
        raise CdulEdgeError(
            f"{file} names a place of this machine ({shown.decode(errors='replace')}), and nothing "
            "was pushed: give relative paths to `train` and `export`, and make the bundle again"
        )

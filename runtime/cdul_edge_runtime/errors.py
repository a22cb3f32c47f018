"""What can go wrong, as far as the user can fix it.

CdulEdgeError            one line: what, where, expected, and the fix; the command line exits with 2
├── ImageError           one picture cannot be read; bulk work skips it and says why
├── BundleError          a bundle, or a single ONNX file, is not what it claims to be
├── DeviceError          an available device failed: out of memory, or the GPU was lost
├── LabelsError          a labels folder is of another version, of other classes, or damaged
├── MissingExtraError    an optional dependency is not installed
└── ToldElsewhereError   another process of the same run failed, and said why

Anything else is a bug and keeps its traceback. A `CdulEdgeWarning` does not stop the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class CdulEdgeError(Exception):
    """Something the user can fix; its text is the whole message, in one line."""

    def __str__(self) -> str:
        """The message without the line breaks that other libraries' reasons bring along."""
        return " ".join(filter(None, map(str.strip, super().__str__().splitlines())))


class ImageError(CdulEdgeError):
    """A picture that cannot be read; `reason` is the short cause without the path."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, str]]:
        return type(self), (self.path, self.reason)  # it crosses from worker processes


class BundleError(CdulEdgeError):
    """A bundle that is damaged, incomplete, or of an unknown version."""


class DeviceError(CdulEdgeError):
    """An available device that failed: out of memory, a broken kernel, a GPU that was lost."""


class LabelsError(CdulEdgeError):
    """A labels folder or file that is damaged, incomplete, or of an unknown version."""


class MissingExtraError(CdulEdgeError):
    """A command needs an optional dependency that is not installed."""


class ToldElsewhereError(CdulEdgeError):
    """Another process of the same run failed and said why; this one ends without a word."""

    def __init__(self) -> None:
        super().__init__("another process of this run failed, and said why")


class CdulEdgeWarning(UserWarning):
    """Something the user should know; the command line prints it as one line on stderr."""


@contextmanager
def extra_imports(extra: str, purpose: str) -> Iterator[None]:
    """Turn a failed import inside the block into one line that says what to install.

    Args:
        extra: name of the extra in pyproject.toml, such as "train".
        purpose: what needs it, as the start of a sentence, such as "training".

    Raises:
        MissingExtraError: a third-party module is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing.startswith("cdul_edge"):  # our own module is missing: a broken install, a bug
            raise
        raise MissingExtraError(
            f'{purpose} needs {missing}, which is not installed: pip install "cdul-edge[{extra}]"'
        ) from error

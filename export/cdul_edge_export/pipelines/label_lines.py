"""Class names as lines of a labels file, which cannot hold every name."""

from __future__ import annotations

import unicodedata

from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError

_BREAKS = ("Cc", "Zl", "Zp")  # control characters, and Unicode's own line breaks
# `MAX_LABEL_SIZE` of DeepStream's nvdsmeta.h, less the byte that ends a string.
DEEPSTREAM_BYTES = 127


def deepstream_labels(classes: ClassList) -> tuple[str, ...]:
    """A line each; ";" would end the label, line breaks the line, and byte 128 the text.

    Raises:
        CdulEdgeError: two classes become one label.
    """
    return _distinct(classes, [_cut(_one_line(n).replace(";", ",")) for n in classes])


def triton_labels(classes: ClassList) -> tuple[str, ...]:
    """A line each, without line breaks in it.

    Raises:
        CdulEdgeError: two classes become one label.
    """
    return _distinct(classes, [_one_line(name) for name in classes])


def renamed_labels(classes: ClassList, labels: tuple[str, ...]) -> dict[str, str]:
    """Class to label, where they differ."""
    return {name: label for name, label in zip(classes, labels, strict=True) if name != label}


def _one_line(name: str) -> str:
    plain = (" " if unicodedata.category(c) in _BREAKS else c for c in name)
    return "".join(plain).strip()


def _cut(label: str) -> str:
    return label.encode(errors="replace")[:DEEPSTREAM_BYTES].decode(errors="ignore")


def _distinct(classes: ClassList, labels: list[str]) -> tuple[str, ...]:
    first: dict[str, str] = {}
    for name, label in zip(classes, labels, strict=True):
        if label in first:
            raise CdulEdgeError(
                f"the classes {first[label]!r} and {name!r} are both {label!r} in a labels file, "
                "which cannot hold their names: train with other names"
            )
        first[label] = name
    return tuple(labels)

"""A place in JSON (RFC 6901), as figures of a page name theirs."""

from __future__ import annotations


def find_value(content: object, pointer: str) -> object:
    """What stands there.

    Raises:
        LookupError: nothing does.
    """
    value = content
    for key in pointer.split("/")[1:]:
        name = key.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list):
            value = value[int(name)]
        elif isinstance(value, dict):
            value = value[name]
        else:
            raise LookupError(f"{pointer}: {value!r} holds nothing")
    return value
